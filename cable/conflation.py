"""Conflated streams: keyed state, of which each viewer gets the latest as fast as it can take it.

Positions are state, not events: who is late wants to know where everybody is, not where they all
have been. So nothing waits in a queue here. A viewer that is behind has a set of keys that it has
not seen, and what it gets when it is free again is their latest values; its recovery is a snapshot.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

import msgspec

from cable.conf import CableSettings
from cable.protocol import Frame, encode_string, message

logger = logging.getLogger(__name__)

_encoder = msgspec.json.Encoder()
#: What a frame has besides its items: type, time, brackets.
_ENVELOPE_BYTES = 200


class State(NamedTuple):
    """One key's value (anything with a JSON form; None is "no longer there") and its version.

    Of two versions the larger one wins, so they must grow with time: the milliseconds at which
    the value was true, for instance.
    """

    version: int
    value: Any


class Change(NamedTuple):
    """One key's new value as encoded JSON; None removes the key."""

    key: str
    version: int
    value: str | None


class Viewer(Protocol):
    """What is sent to: one subscription."""

    prefix: str

    def deliver(self, frame: Frame) -> None: ...
    def is_behind(self) -> bool:
        """Whether its socket has not yet taken what was sent before."""


Filter = Callable[[Any], bool]
Load = Callable[[], Awaitable[Mapping[str, State]]]


@dataclass(slots=True)
class ConflationStats:
    """Every newer change is, for each viewer there is, one of the first three."""

    delivered: int = 0
    #: Replaced by something later before it was sent.
    conflated: int = 0
    #: Of a key that the viewer does not show.
    filtered: int = 0
    frames: int = 0
    snapshots: int = 0
    #: New keys beyond `max_conflated_keys`.
    refused: int = 0


class _Item:
    """The latest value of one key, encoded once for all frames."""

    __slots__ = ("_decoded", "encoded", "pair", "size", "version")

    def __init__(self, key: str, version: int, encoded: str) -> None:
        self.version = version
        self.encoded = encoded
        self.pair = f"{encode_string(key)}:{encoded}"
        self.size = len(self.pair.encode()) + 1
        self._decoded: Any = None

    @property
    def value(self) -> Any:
        if self._decoded is None:
            self._decoded = msgspec.json.decode(self.encoded)
        return self._decoded


class _View:
    """Viewers with the same filter that have all seen the same."""

    __slots__ = ("by_prefix", "known", "only")

    def __init__(self, only: Filter | None, known: set[str]) -> None:
        self.only = only
        #: Keys that its viewers show.
        self.known = known
        self.by_prefix: dict[str, set[Viewer]] = {}

    def __len__(self) -> int:
        return sum(map(len, self.by_prefix.values()))

    def add(self, viewer: Viewer) -> None:
        self.by_prefix.setdefault(viewer.prefix, set()).add(viewer)

    def discard(self, viewer: Viewer) -> None:
        same = self.by_prefix.get(viewer.prefix, set())
        same.discard(viewer)
        if not same:
            self.by_prefix.pop(viewer.prefix, None)


@dataclass(slots=True)
class _Apart:
    """A viewer that has not seen what the others of its filter have."""

    only: Filter | None
    known: set[str]
    #: Keys that changed since it was last sent something, and how often.
    pending: dict[str, int] = field(default_factory=dict)


class ConflatedStream:
    """One conflated stream in one process.

    The first change after a quiet time goes out at once, further ones together at most
    `conflated_frames_per_second` times a second, to all viewers at the same moment: so they
    share frames.
    """

    def __init__(
        self, name: str, *, load: Load, settings: CableSettings, stats: ConflationStats
    ) -> None:
        self.name = name
        self._load = load
        self._settings = settings
        self._stats = stats
        self._items: dict[str, _Item] = {}
        # Versions of keys that are gone, so that what comes late does not bring them back.
        self._gone: dict[str, int] = {}
        self._changed: dict[str, int] = {}
        self._views: dict[Filter | None, _View] = {}
        self._only: dict[Viewer, Filter | None] = {}
        self._apart: dict[Viewer, _Apart] = {}
        self._loaded = False
        self._loading: asyncio.Task[None] | None = None
        self._load_again = False
        self._next_flush = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def viewers(self) -> Sequence[Viewer]:
        return list(self._only)

    async def add(self, viewer: Viewer, only: Filter | None = None) -> None:
        """Send the snapshot, then changes; raises what `load` raises."""
        while not self._loaded:
            await self._ensure_loading()
        self._only[viewer] = only
        self._send_snapshot(viewer, only)

    def remove(self, viewer: Viewer) -> None:
        if viewer in self._only:
            self._take_out(viewer)
            del self._only[viewer]

    def show_only(self, viewer: Viewer, only: Filter | None) -> None:
        """Change what a viewer sees; it gets the snapshot of its new view."""
        self._take_out(viewer)
        self._only[viewer] = only
        self._send_snapshot(viewer, only)

    def apply(self, changes: Iterable[Change]) -> None:
        """Take changes that came through the layer."""
        for change in changes:
            if not self._store(change):
                continue
            self._changed[change.key] = self._changed.get(change.key, 0) + 1
            for apart in self._apart.values():
                apart.pending[change.key] = apart.pending.get(change.key, 0) + 1
        if self._changed and self._timer is None:
            loop = asyncio.get_running_loop()
            if loop.time() >= self._next_flush:
                self._flush()
            else:
                self._timer = loop.call_at(self._next_flush, self._flush)

    async def reload(self) -> None:
        """Changes may have been lost: load the state anew and send it to every viewer.

        Raises what `load` raises; the old state stays then.
        """
        self._load_again = True
        await self._ensure_loading()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._loading is not None:
            self._loading.cancel()

    # State.

    def _store(self, change: Change) -> bool:
        """Keep a change if it is newer than what is here."""
        key, version, encoded = change
        item = self._items.get(key)
        if version <= (item.version if item else self._gone.get(key, version - 1)):
            return False
        limit = self._settings.max_conflated_keys
        if encoded is None:
            self._items.pop(key, None)
            self._gone[key] = version
            if len(self._gone) > limit:
                del self._gone[next(iter(self._gone))]
            return True
        if item is None and len(self._items) >= limit:
            self._stats.refused += 1
            logger.error("stream %s has %d keys; %.100r is refused", self.name, limit, key)
            return False
        self._gone.pop(key, None)
        self._items[key] = _Item(key, version, encoded)
        return True

    async def _ensure_loading(self) -> None:
        if self._loading is None:
            self._loading = asyncio.create_task(self._run_load(), name="cable-load")
            self._loading.add_done_callback(self._loading_done)
        # The task is everybody's: who stops waiting must not end it.
        await asyncio.shield(self._loading)

    def _loading_done(self, task: asyncio.Task[None]) -> None:
        self._loading = None
        if not task.cancelled():
            task.exception()  # whoever waits has it

    async def _run_load(self) -> None:
        while True:
            self._load_again = False
            before = {key: item.version for key, item in self._items.items()}
            state = await self._load()
            for key, (version, value) in state.items():
                encoded = None if value is None else _encoder.encode(value).decode()
                self._store(Change(key, version, encoded))
            for key, version in before.items():
                item = self._items.get(key)
                if key not in state and item is not None and item.version == version:
                    del self._items[key]
            self._loaded = True
            if not self._load_again:
                break
        for viewer, only in list(self._only.items()):
            self._take_out(viewer)
            self._send_snapshot(viewer, only)

    # Sending.

    def _flush(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        changed, self._changed = self._changed, {}
        late = [viewer for viewer in self._apart if not viewer.is_behind()]
        for view in list(self._views.values()):
            self._part_with_slow(view, changed)
            if view.by_prefix:
                self._send_changes(view, changed)
        for viewer in late:
            self._catch_up(viewer)
        self._next_flush = loop.time() + 1 / self._settings.conflated_frames_per_second
        if self._apart:
            self._timer = loop.call_at(self._next_flush, self._flush)

    def _part_with_slow(self, view: _View, changed: Mapping[str, int]) -> None:
        slow = [viewer for same in view.by_prefix.values() for viewer in same if viewer.is_behind()]
        for viewer in slow:
            view.discard(viewer)
            self._apart[viewer] = _Apart(view.only, set(view.known), dict(changed))
        if not view.by_prefix:
            del self._views[view.only]

    def _send_changes(self, view: _View, changed: Mapping[str, int]) -> None:
        count = len(view)
        bodies = self._changes(view.only, view.known, changed, count)
        for prefix, viewers in view.by_prefix.items():
            for body in bodies:
                frame = message(prefix, body)
                for viewer in viewers:
                    viewer.deliver(frame)
        self._stats.frames += len(bodies) * count

    def _catch_up(self, viewer: Viewer) -> None:
        """Send a viewer that is free again the latest of what it has not seen."""
        apart = self._apart.pop(viewer)
        for body in self._changes(apart.only, apart.known, apart.pending, 1):
            viewer.deliver(message(viewer.prefix, body))
            self._stats.frames += 1
        self._join_view(viewer, apart.only, apart.known)

    def _changes(
        self, only: Filter | None, known: set[str], changed: Mapping[str, int], viewers: int
    ) -> list[str]:
        """Messages that bring viewers who show `known` up to date, which is updated."""
        stats = self._stats
        items: list[_Item] = []
        removed: list[str] = []
        for key, times in changed.items():
            item = self._items.get(key)
            if item is not None and (only is None or only(item.value)):
                items.append(item)
                known.add(key)
            elif key in known:
                removed.append(key)
                known.discard(key)
            else:
                stats.filtered += times * viewers
                continue
            stats.delivered += viewers
            stats.conflated += (times - 1) * viewers
        if not items and not removed:
            return []
        return self._bodies("changes", items, removed)

    def _send_snapshot(self, viewer: Viewer, only: Filter | None) -> None:
        shown = {key: item for key, item in self._items.items() if only is None or only(item.value)}
        for body in self._bodies("snapshot", list(shown.values()), []):
            viewer.deliver(message(viewer.prefix, body))
        self._stats.snapshots += 1
        if self._changed:
            # Its snapshot has what the others get at the next flush.
            self._apart[viewer] = _Apart(only, set(shown))
        else:
            self._join_view(viewer, only, set(shown))

    def _join_view(self, viewer: Viewer, only: Filter | None, known: set[str]) -> None:
        view = self._views.get(only)
        if view is None:
            view = self._views[only] = _View(only, known)
        view.add(viewer)

    def _take_out(self, viewer: Viewer) -> None:
        """End what a viewer waits for: it leaves, or a snapshot replaces it."""
        apart = self._apart.pop(viewer, None)
        if apart is not None:
            self._stats.conflated += sum(apart.pending.values())
            return
        only = self._only[viewer]
        view = self._views[only]
        view.discard(viewer)
        if not view.by_prefix:
            del self._views[only]
        self._stats.conflated += sum(self._changed.values())

    def _bodies(self, kind: str, items: Sequence[_Item], removed: Sequence[str]) -> list[str]:
        """The messages for these items; more than one where they exceed what a frame may have."""
        limit = self._settings.max_payload_bytes - _ENVELOPE_BYTES
        parts: list[list[str]] = [[]]
        size = sum(len(key.encode()) + 6 for key in removed)
        for item in items:
            if parts[-1] and size + item.size > limit:
                parts.append([])
                size = 0
            parts[-1].append(item.pair)
            size += item.size
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        bodies = []
        for number, part in enumerate(parts):
            gone = ""
            if removed and number == 0:
                gone = f',"removed":{_encoder.encode(removed).decode()}'
            type_ = kind if number == 0 else "changes"
            bodies.append(
                f'{{"type":"{type_}","server_time":"{now}","items":{{{",".join(part)}}}{gone}}}'
            )
        return bodies
