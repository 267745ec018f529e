"""What viewers with the same filter see of a conflated stream."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from cable.keyed_state import Entry
from cable.protocol import Frame, encode_string

logger = logging.getLogger(__name__)

#: Gets a decoded value and says whether it is shown. Filters that are equal share frames.
Filter = Callable[[Any], bool]


class Viewer(Protocol):
    """Who watches a conflated stream: a subscription."""

    @property
    def prefix(self) -> str:
        """From `cable.protocol.message_prefix`; viewers with the same one share frames."""

    def deliver(self, frame: Frame) -> None: ...

    def is_behind(self) -> bool:
        """Whether bytes that were delivered still wait for its socket."""

    @property
    def resync(self) -> Callable[[], None]:
        """Called when the state can not be told any more: the viewer must start anew."""


class Cohort:
    """Viewers of one view that were sent the same, so that they miss the same changes.

    `pending` has the keys that changed since their last frame, and whether they know the key;
    None means that they get a snapshot next. `since` is such that `applied - since` changes of
    the stream are not yet accounted for at each viewer.
    """

    __slots__ = ("pending", "since", "view", "viewers")

    def __init__(self, view: View, pending: dict[str, bool] | None, since: int) -> None:
        self.view = view
        self.viewers: set[Viewer] = set()
        self.pending = pending
        self.since = since

    @property
    def is_late(self) -> bool:
        """Whether something waits for them."""
        return self.pending is None or bool(self.pending)

    def drop(self, viewer: Viewer) -> None:
        self.viewers.discard(viewer)
        if not self.viewers:
            self.view.cohorts.remove(self)


class Told(NamedTuple):
    """A frame's message, how many keys it tells, and those that did not fit."""

    body: str
    keys: int
    left: dict[str, bool]


class View:
    """The keys that a filter admits at one `position` of the stream (a count of changes)."""

    def __init__(self, only: Filter | None, entries: dict[str, Entry], position: int) -> None:
        """Raises what the filter raises."""
        self.only = only
        self.position = position
        self.cohorts: list[Cohort] = []
        self._entries = entries
        self._failed = False
        self.keys = (
            set(entries)
            if only is None
            else {key for key, entry in entries.items() if only(entry.value)}
        )

    def advance(self, changed: Iterable[str], position: int) -> None:
        """Follow the stream to a position; `changed` has each key that changed on the way once."""
        self.position = position
        keys, entries = self.keys, self._entries
        before: dict[str, bool] = {}
        for key in changed:
            knew = before[key] = key in keys
            entry = entries.get(key)
            if entry is not None and self._admits(entry):
                if not knew:
                    keys.add(key)
            elif knew:
                keys.discard(key)
        if not before:
            return
        for cohort in self.cohorts:
            if cohort.pending is None:
                continue
            for key, knew in before.items():
                cohort.pending.setdefault(key, knew)

    def start_anew(self, position: int) -> None:
        """The state was loaded anew: look at every key."""
        self.position = position
        self.keys = {key for key, entry in self._entries.items() if self._admits(entry)}

    def cohort(self, *, snapshot_due: bool, applied: int) -> Cohort:
        """Those who wait for a snapshot from here on, or those who miss nothing."""
        wanted: dict[str, bool] | None = None if snapshot_due else {}
        for cohort in self.cohorts:
            if cohort.pending == wanted and cohort.since == applied:
                return cohort
        cohort = Cohort(self, wanted, applied)
        self.cohorts.append(cohort)
        return cohort

    def snapshot(self, server_time: str, max_bytes: int) -> list[str]:
        """The messages that tell the whole view, each of at most `max_bytes`."""
        items = [self._entries[key].item for key in self.keys]
        return _cut("snapshot", server_time, items, max_bytes)

    def has_news(self, pending: dict[str, bool]) -> bool:
        """Whether there is anything to tell to viewers for whom these keys are pending."""
        return any(knew or key in self.keys for key, knew in pending.items())

    def changes(self, pending: dict[str, bool], server_time: str, max_bytes: int) -> Told:
        """What viewers are told for whom these keys are pending, in at most `max_bytes`."""
        told = [key for key, knew in pending.items() if knew or key in self.keys]
        count = len(told)
        while True:
            items = [self._entries[key].item for key in told[:count] if key in self.keys]
            removed = [encode_string(key) for key in told[:count] if key not in self.keys]
            body = _body("changes", server_time, items, removed)
            if count < 2 or _fits(body, max_bytes):
                return Told(body, count, {key: pending[key] for key in told[count:]})
            count //= 2

    def _admits(self, entry: Entry) -> bool:
        if self.only is None:
            return True
        try:
            return self.only(entry.value)
        except Exception:  # the application's own; others must get their frames all the same
            if not self._failed:
                self._failed = True
                logger.exception("filter %r fails for %.200s", self.only, entry.item)
            return False


def _cut(kind: str, server_time: str, items: Sequence[str], max_bytes: int) -> list[str]:
    body = _body(kind, server_time, items, ())
    if len(items) < 2 or _fits(body, max_bytes):
        return [body]
    half = len(items) // 2
    return [
        *_cut(kind, server_time, items[:half], max_bytes),
        *_cut("changes", server_time, items[half:], max_bytes),
    ]


def _body(kind: str, server_time: str, items: Sequence[str], removed: Sequence[str]) -> str:
    ending = f',"removed":[{",".join(removed)}]' if removed else ""
    return (
        f'{{"type":"{kind}","server_time":"{server_time}","items":{{{",".join(items)}}}{ending}}}'
    )


def _fits(body: str, max_bytes: int) -> bool:
    size = len(body) if body.isascii() else len(body.encode())
    return size <= max_bytes
