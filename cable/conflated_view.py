"""What viewers with the same filter see of a conflated stream."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence, Set
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


class Changed:
    """Keys that changed on the way to a position, and the values of those that still exist."""

    __slots__ = ("_entries", "keys", "values")

    def __init__(self, keys: Iterable[str], entries: dict[str, Entry]) -> None:
        self.keys = frozenset(keys)
        self._entries = entries
        self.values: list[tuple[str, Any]] | None = None

    @property
    def existing(self) -> Set[str]:
        return self.keys & self._entries.keys()

    def decoded(self) -> list[tuple[str, Any]]:
        """Each key with its value; worked out once for all filters."""
        if self.values is None:
            self.values = [(key, self._entries[key].value) for key in self.existing]
        return self.values


class Cohort:
    """Viewers of one view that were sent the same, so that they miss the same changes.

    `missed` are the keys that changed since their last frame, and `knew` those of them that they
    were told of before. `since` is such that `applied - since` changes of the stream are not yet
    accounted for at each viewer.
    """

    __slots__ = ("knew", "missed", "since", "snapshot_due", "view", "viewers")

    def __init__(self, view: View, since: int, *, snapshot_due: bool = False) -> None:
        self.view = view
        self.viewers: set[Viewer] = set()
        self.since = since
        #: Then what they miss does not matter, and is not kept.
        self.snapshot_due = snapshot_due
        self.missed: frozenset[str] = frozenset()
        self.knew: frozenset[str] = frozenset()

    @property
    def is_late(self) -> bool:
        """Whether something waits for them."""
        return self.snapshot_due or bool(self.missed)

    @property
    def has_news(self) -> bool:
        """Whether there is anything to tell them."""
        return self.snapshot_due or bool(self.knew) or not self.view.keys.isdisjoint(self.missed)

    def miss(self, changed: frozenset[str], knew: frozenset[str]) -> None:
        if not self.missed:
            self.missed, self.knew = changed, knew
        else:
            self.knew |= knew - self.missed
            self.missed |= changed

    def drop(self, viewer: Viewer) -> None:
        self.viewers.discard(viewer)
        if not self.viewers:
            self.view.cohorts.remove(self)


class Told(NamedTuple):
    """A frame's message, how many keys it tells, and those that did not fit."""

    body: str
    keys: int
    left: frozenset[str]


class View:
    """The keys that a filter admits at one `position` of the stream (a count of changes)."""

    def __init__(self, only: Filter | None, entries: dict[str, Entry], position: int) -> None:
        """Raises what the filter raises."""
        self.only = only
        self.position = position
        self.cohorts: list[Cohort] = []
        self._entries = entries
        self._failed = False
        self.keys: set[str] = (
            set(entries)
            if only is None
            else {key for key, entry in entries.items() if only(entry.value)}
        )

    def advance(self, changed: Changed, position: int) -> None:
        """Follow the stream to a position."""
        self.position = position
        if not changed.keys:
            return
        knew = changed.keys & self.keys
        admitted = self._admitted(changed)
        self.keys -= knew - admitted
        self.keys |= admitted
        for cohort in self.cohorts:
            if not cohort.snapshot_due:
                cohort.miss(changed.keys, knew)

    def start_anew(self, position: int) -> None:
        """The state was loaded anew: look at every key."""
        self.position = position
        self.keys = {key for key, entry in self._entries.items() if self._admits(entry)}

    def cohort(self, *, snapshot_due: bool, applied: int) -> Cohort:
        """Those who wait for a snapshot from here on, or those who miss nothing."""
        for cohort in self.cohorts:
            # Nothing is missed where nothing is unaccounted for.
            if cohort.snapshot_due == snapshot_due and cohort.since == applied:
                return cohort
        cohort = Cohort(self, applied, snapshot_due=snapshot_due)
        self.cohorts.append(cohort)
        return cohort

    def snapshot(self, server_time: str, max_bytes: int) -> list[str]:
        """The messages that tell the whole view, each of at most `max_bytes`."""
        items = [self._entries[key].item for key in self.keys]
        return _cut("snapshot", server_time, items, max_bytes)

    def changes(self, cohort: Cohort, server_time: str, max_bytes: int) -> Told:
        """What a cohort is told of what it missed, in at most `max_bytes`."""
        items = [(key, self._entries[key].item) for key in cohort.missed & self.keys]
        removed = [(key, encode_string(key)) for key in cohort.knew - self.keys]
        count = len(items) + len(removed)
        while True:
            now = items[:count]
            gone = removed[: count - len(now)]
            body = _body("changes", server_time, [item for _, item in now], [n for _, n in gone])
            if count < 2 or _fits(body, max_bytes):
                left = [*items[len(now) :], *removed[len(gone) :]]
                return Told(body, count, frozenset(key for key, _ in left))
            count //= 2

    def _admitted(self, changed: Changed) -> Set[str]:
        only = self.only
        if only is None:
            return changed.existing
        try:
            return {key for key, value in changed.decoded() if only(value)}
        except Exception:  # the application's own: `_admits` finds out for which
            return {key for key in changed.existing if self._admits(self._entries[key])}

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
