"""Who watches a conflated stream, and what each has been sent of it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime

from cable.conflated_view import Changed, Cohort, Filter, View, Viewer
from cable.keyed_state import Entry
from cable.protocol import Frame, message


@dataclass(slots=True)
class Stats:
    """What the conflated streams of a process counted.

    Each newer change counts once for each viewer that was there when it came, so that
    delivered + conflated + filtered + left + those that still wait = changes x viewers.
    """

    #: This very version was sent, or the key's removal was told.
    delivered: int = 0
    #: Superseded before it was sent: by a later change, a removal or a snapshot.
    conflated: int = 0
    #: Not in the viewer's view, and nothing to tell.
    filtered: int = 0
    #: The viewer left before.
    left: int = 0
    #: Frames to viewers, and how many of them began a snapshot.
    frames: int = 0
    snapshots: int = 0
    #: Changes that were not kept because a bound would be passed.
    refused: int = 0


class Audience:
    """The viewers of one stream. Each has a place in a cohort of the view of its filter."""

    def __init__(
        self,
        entries: dict[str, Entry],
        *,
        max_payload_bytes: int,
        stats: Stats,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`entries` is the stream's state, kept by the stream; `now` is the UNIX time."""
        self._entries = entries
        self._max_bytes = max_payload_bytes
        self._stats = stats
        self._now = now
        self._views: dict[Filter | None, View] = {}
        self._cohorts: dict[Viewer, Cohort] = {}
        #: Changes so far, and the keys of those since the last flush.
        self._applied = 0
        self._changed: list[str] = []
        # What changed between two positions, for views that are at the same one.
        self._recent: tuple[tuple[int, int], Changed] | None = None
        # Further frames of a snapshot: one a flush, so that they do not overflow the socket.
        self._unsent: dict[Viewer, deque[Frame]] = {}

    def __len__(self) -> int:
        return len(self._cohorts)

    def __contains__(self, viewer: Viewer) -> bool:
        return viewer in self._cohorts

    def __iter__(self) -> Iterator[Viewer]:
        return iter(list(self._cohorts))

    @property
    def is_late(self) -> bool:
        """Whether anything waits to be sent."""
        return bool(self._changed or self._unsent) or any(
            cohort.is_late for view in self._views.values() for cohort in view.cohorts
        )

    def add(self, viewer: Viewer, only: Filter | None) -> None:
        """Send a snapshot, then what changes from here on.

        Raises what `only` raises for a value; the viewer is not added.
        """
        view = self._view(only)
        self._place(viewer, view, snapshot_due=False)
        self._send_snapshots(view, [viewer], self._server_time())

    def remove(self, viewer: Viewer) -> None:
        self._stats.left += self._unaccounted(viewer)
        self._displace(viewer)

    def change_view(self, viewer: Viewer, only: Filter | None, *, at_once: bool) -> None:
        """Send the snapshot of another view, now or with a flush.

        Raises what `only` raises for a value; nothing is changed.
        """
        view = self._view(only)
        self._stats.conflated += self._unaccounted(viewer)
        self._displace(viewer)
        self._place(viewer, view, snapshot_due=not at_once)
        if at_once:
            self._send_snapshots(view, [viewer], self._server_time())

    def note(self, key: str) -> None:
        """A key was changed or removed."""
        if self._cohorts:
            self._applied += 1
            self._changed.append(key)

    def start_anew(self) -> None:
        """The state was loaded anew: all get a snapshot with the next flush."""
        self._unsent.clear()
        for view in self._views.values():
            view.start_anew(self._applied)
            for viewer in [viewer for cohort in view.cohorts for viewer in cohort.viewers]:
                self._stats.conflated += self._unaccounted(viewer)
                self._move(viewer, view.cohort(snapshot_due=True, applied=self._applied))

    def flush(self, *, but: Set[Viewer]) -> bool:
        """Send what waits, one frame to each viewer that is not behind.

        Returns whether anything had changed or was sent.
        """
        busy = self._unsent.keys() | but
        had_changed, frames = bool(self._changed), self._stats.frames
        for view in self._views.values():
            self._bring_up(view)
        self._changed.clear()
        self._recent = None
        server_time = self._server_time()
        self._send_unsent()
        for view in list(self._views.values()):
            for cohort in list(view.cohorts):
                if cohort.is_late:
                    self._serve(cohort, busy, server_time)
        return had_changed or self._stats.frames > frames

    # Who sees what.

    def _view(self, only: Filter | None) -> View:
        """The view of a filter, brought up to now."""
        view = self._views.get(only)
        if view is None:
            return View(only, self._entries, self._applied)
        self._bring_up(view)
        return view

    def _bring_up(self, view: View) -> None:
        if self._recent is None or self._recent[0] != (view.position, self._applied):
            start = self._applied - len(self._changed)
            keys = self._changed[view.position - start :]
            span = (view.position, self._applied)
            self._recent = (span, Changed(keys, self._entries))
        view.advance(self._recent[1], self._applied)

    def _unaccounted(self, viewer: Viewer) -> int:
        return self._applied - self._cohorts[viewer].since

    def _place(self, viewer: Viewer, view: View, *, snapshot_due: bool) -> None:
        """Put a viewer that has no place into a view, which may be a new one."""
        self._views[view.only] = view
        cohort = view.cohort(snapshot_due=snapshot_due, applied=self._applied)
        cohort.viewers.add(viewer)
        self._cohorts[viewer] = cohort

    def _move(self, viewer: Viewer, cohort: Cohort) -> None:
        """Give a viewer another place in its view."""
        old, self._cohorts[viewer] = self._cohorts[viewer], cohort
        cohort.viewers.add(viewer)
        if old is not cohort:
            old.drop(viewer)

    def _displace(self, viewer: Viewer) -> None:
        cohort = self._cohorts.pop(viewer)
        cohort.drop(viewer)
        self._unsent.pop(viewer, None)
        if not cohort.view.cohorts:
            del self._views[cohort.view.only]

    # Sending.

    def _serve(self, cohort: Cohort, busy: Set[Viewer], server_time: str) -> None:
        view, has_news = cohort.view, cohort.has_news
        ready = [
            viewer
            for viewer in cohort.viewers
            if not has_news or (viewer not in busy and not viewer.is_behind())
        ]
        if not ready:
            return
        unaccounted = self._applied - cohort.since
        if cohort.snapshot_due:
            self._stats.conflated += unaccounted * len(ready)
            in_step = view.cohort(snapshot_due=False, applied=self._applied)
            for viewer in ready:
                self._move(viewer, in_step)
            self._send_snapshots(view, ready, server_time)
            return
        told = view.changes(cohort, server_time, self._max_bytes)
        missed = len(cohort.missed)
        self._stats.conflated += (unaccounted - missed) * len(ready)
        self._stats.delivered += told.keys * len(ready)
        self._stats.filtered += (missed - told.keys - len(told.left)) * len(ready)
        if told.left:
            next_cohort = Cohort(view, self._applied - len(told.left))
            next_cohort.miss(told.left, told.left & cohort.knew)
            view.cohorts.append(next_cohort)
        else:
            next_cohort = view.cohort(snapshot_due=False, applied=self._applied)
        for viewer in ready:
            self._move(viewer, next_cohort)
        if told.keys:
            self._send(ready, [told.body])

    def _send_snapshots(self, view: View, viewers: Sequence[Viewer], server_time: str) -> None:
        self._stats.snapshots += len(viewers)
        self._send(viewers, view.snapshot(server_time, self._max_bytes))

    def _send(self, viewers: Sequence[Viewer], bodies: Sequence[str]) -> None:
        """Send the first message now and the others one a flush.

        Together they may be more than can wait for a socket.
        """
        frames: dict[str, list[Frame]] = {}
        self._stats.frames += len(viewers)
        for viewer in viewers:
            own = frames.get(viewer.prefix)
            if own is None:
                own = frames[viewer.prefix] = [message(viewer.prefix, body) for body in bodies]
            if len(own) > 1:
                self._unsent[viewer] = deque(own[1:])
            viewer.deliver(own[0])

    def _send_unsent(self) -> None:
        for viewer, frames in list(self._unsent.items()):
            if viewer.is_behind():
                continue
            frame = frames.popleft()
            if not frames:
                del self._unsent[viewer]
            self._stats.frames += 1
            viewer.deliver(frame)

    def _server_time(self) -> str:
        now = datetime.fromtimestamp(self._now(), UTC)
        return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
