"""The state of a conflated stream: keys, and of each the value of its newest version."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from cable.protocol import encode_string

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()
_UNDECODED = object()
#: What a frame adds around its items; an item fits when this much is left.
_FRAME_BYTES = 128


class Change(NamedTuple):
    """What a key became: `value` is JSON text, None when the key was removed."""

    key: str
    version: int
    value: str | None


class State(NamedTuple):
    """What a key is: `value` is anything that msgspec turns into JSON, None for no such key."""

    version: int
    value: Any


def check_states(states: object, what: str) -> None:
    """Whether they are keys with their `State`; `what` names them.

    Raises:
        TypeError: they are not.
    """
    if not isinstance(states, Mapping):
        raise TypeError(f"{what}: must be a mapping of keys to State, not {states!r:.100}")
    for key, state in states.items():
        if not isinstance(key, str) or not isinstance(state, State):
            raise TypeError(f"{what}: [{key!r}] = {state!r:.100} must be text and a State")
        if not isinstance(state.version, int):
            raise TypeError(f"{what}: [{key!r}] has version {state.version!r:.100}, no integer")


class Refused(ValueError):
    """A value is not kept, because a bound would be passed."""


class Entry:
    """One key's newest version. `item` is its member of a JSON object: `"7":{"lat":…}`."""

    __slots__ = ("_name", "_value", "item", "version")

    def __init__(self, name: str) -> None:
        self._name = name

    def set(self, version: int, item: str) -> None:
        self.version = version
        self.item = item
        self._value: Any = _UNDECODED

    @property
    def value(self) -> Any:
        """The decoded value, decoded once however many filters look at it."""
        if self._value is _UNDECODED:
            self._value = _decoder.decode(self.item[len(self._name) + 1 :])
        return self._value

    def item_of(self, text: str) -> str:
        return f"{self._name}:{text}"


class KeyedState:
    """Keys with their newest versions; versions never go back.

    Versions of removed keys are remembered, so that a change that was overtaken by a removal does
    not bring the key back: as many as `max_keys`, the oldest removals are forgotten first.
    """

    def __init__(self, *, max_keys: int, max_frame_bytes: int) -> None:
        self.entries: dict[str, Entry] = {}
        self._removed: OrderedDict[str, int] = OrderedDict()
        self._meanwhile: set[str] | None = None
        self._max_keys = max_keys
        self._max_item_bytes = max_frame_bytes - _FRAME_BYTES

    def apply(self, change: Change) -> bool:
        """Take a change; False when the same or a newer version is known.

        Raises:
            Refused: the value is too large, or there are too many keys. Nothing is changed.
        """
        key, version, text = change
        if not self._is_newer(key, version):
            return False
        if text is None:
            self.entries.pop(key, None)
            self._bury(key, version)
            self._note(key)
            return True
        entry = self.entries.get(key)
        if entry is None:
            if len(self.entries) >= self._max_keys:
                raise Refused(
                    f"key {key!r} is one too many; at most {self._max_keys} "
                    "(CABLE['max_conflated_keys'])"
                )
            entry = Entry(encode_string(key))
        item = entry.item_of(text)
        size = len(item) if item.isascii() else len(item.encode())
        if size > self._max_item_bytes:
            raise Refused(
                f"the value of key {key[:100]!r} has {size} bytes; at most {self._max_item_bytes} "
                "(CABLE['max_payload_bytes'])"
            )
        entry.set(version, item)
        self.entries[key] = entry
        self._removed.pop(key, None)
        self._note(key)
        return True

    def start_load(self) -> None:
        """The application's state is being read: note what changes meanwhile, for `merge`."""
        self._meanwhile = set()

    def stop_load(self) -> None:
        """It ended, or failed."""
        self._meanwhile = None

    def merge(self, loaded: Mapping[str, State]) -> list[Refused]:
        """Take the whole state as the application has it; newer versions that are here stay.

        Keys that it lacks are removed, except those that changed since `start_load`.
        Returns what was refused.

        Raises:
            TypeError: other than keys with their `State`, or a value has no JSON form. Nothing
                is changed.
        """
        check_states(loaded, "what `load` returned")
        changes = []
        for key, (version, value) in loaded.items():
            if self._is_newer(key, version):
                text = None if value is None else _encoder.encode(value).decode()
                changes.append(Change(key, version, text))
        meanwhile = self._meanwhile or set()
        self.stop_load()
        for key in self.entries.keys() - loaded.keys() - meanwhile:
            # Which version removed it is not known; those up to the last one are over.
            self._bury(key, self.entries.pop(key).version)
        refused = []
        for change in changes:
            try:
                self.apply(change)
            except Refused as error:
                refused.append(error)
        return refused

    def _note(self, key: str) -> None:
        if self._meanwhile is not None:
            self._meanwhile.add(key)

    def _is_newer(self, key: str, version: int) -> bool:
        entry = self.entries.get(key)
        last = self._removed.get(key) if entry is None else entry.version
        return last is None or version > last

    def _bury(self, key: str, version: int) -> None:
        self._removed[key] = version
        self._removed.move_to_end(key)
        if len(self._removed) > self._max_keys:
            self._removed.popitem(last=False)
