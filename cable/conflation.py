"""Conflated streams: keyed state of which every viewer gets the latest, at its own pace.

A position on a map is state: what counts is the newest of each technician. A viewer gets a
snapshot, then the first change at once, then at most `conflated_frames_per_second` frames, each
with the latest of what changed. Recovery is a new snapshot: O(keys), never O(missed).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from cable.conf import CableSettings
from cable.conflated_audience import Audience, Stats
from cable.conflated_view import Filter, Viewer
from cable.keyed_state import Change, KeyedState, Refused, State
from cable.shared_load import SharedLoad

__all__ = ["Change", "ConflatedStream", "Filter", "Load", "State", "Stats", "Viewer"]

logger = logging.getLogger(__name__)

#: Reads the whole state from the application.
Load = Callable[[], Awaitable[Mapping[str, State]]]

#: What is refused is logged this often, seconds: a stream over its bound refuses all the time.
_LOG_INTERVAL = 10.0


class Timer(Protocol):
    def cancel(self) -> None: ...


class Scheduler(Protocol):
    """What an event loop does; time is in seconds and monotonic."""

    def time(self) -> float: ...

    def call_at(self, when: float, callback: Callable[[], None], /) -> Timer: ...


class ConflatedStream:
    """One stream in one process: its state, and who watches it.

    All viewers get their frames in the same moment, so that those who see the same share them:
    there is a timer for each stream, and none while it is quiet. A viewer whose socket is
    behind is skipped; it gets one frame with the latest of all that it missed.
    """

    def __init__(
        self,
        name: str,
        *,
        load: Load,
        settings: CableSettings,
        stats: Stats,
        scheduler: Scheduler | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`scheduler` is the running event loop if it is not given; `now` is the UNIX time."""
        self.name = name
        self._load = load
        self._load_timeout = settings.state_load_timeout
        self._interval = 1 / settings.conflated_frames_per_second
        self._stats = stats
        self._scheduler = scheduler or asyncio.get_running_loop()
        self._state = KeyedState(
            max_keys=settings.max_conflated_keys, max_frame_bytes=settings.max_payload_bytes
        )
        self._audience = Audience(
            self._state.entries,
            max_payload_bytes=settings.max_payload_bytes,
            stats=stats,
            now=now,
        )
        self._loads = SharedLoad(name, self._read)
        # Who asked for another view, and until when that was its frame.
        self._served_until: dict[Viewer, float] = {}
        # And who asked again meanwhile, for what.
        self._wanted: dict[Viewer, Filter | None] = {}
        self._timer: Timer | None = None
        self._next_flush = 0.0
        self._log_refused_at = 0.0

    @property
    def viewers(self) -> int:
        """How many there are."""
        return len(self._audience)

    async def add(self, viewer: Viewer, only: Filter | None = None) -> None:
        """Send a viewer the state, then what changes.

        Raises what `load` raises, and what `only` raises for a value; the viewer is not added.

        Raises:
            TimeoutError: `load` did not end within `state_load_timeout`.
            TypeError: `load` returned something else than keys with their `State`.
            StreamUnavailable: the stream was closed.
            ValueError: the viewer was added before.
        """
        await self._loads.wait()
        if viewer in self._audience:
            raise ValueError(f"stream {self.name}: {viewer!r} was added before")
        self._audience.add(viewer, only)
        self._look_again_if_late()

    def remove(self, viewer: Viewer) -> None:
        """Send nothing more to a viewer; one that is not there is ignored."""
        if viewer in self._audience:
            self._audience.remove(viewer)
            self._served_until.pop(viewer, None)
            self._wanted.pop(viewer, None)

    def show_only(self, viewer: Viewer, only: Filter | None) -> None:
        """Change a viewer's filter, and send it a snapshot of its new view.

        That is at once if its socket is free, even between two flushes; the viewer then sits out
        the next one, so that its rate stays what it is. Further calls wait for that, and of
        these the last counts: a view costs a look at every key.

        Raises what `only` raises for a value, if it is at once; nothing is changed then. A viewer
        that is not there is ignored.
        """
        if viewer not in self._audience:
            return
        now = self._scheduler.time()
        if not viewer.is_behind() and now >= self._served_until.get(viewer, 0.0):
            self._audience.change_view(viewer, only, at_once=True)
            self._wanted.pop(viewer, None)
            self._served_until[viewer] = max(self._next_flush, now) + self._interval
        else:
            self._wanted[viewer] = only
        self._look_again_if_late()

    def apply(self, changes: Sequence[Change]) -> None:
        """Take changes: sent at once if the stream was quiet, else with the next flush."""
        newer, refused = 0, []
        for change in changes:
            try:
                if self._state.apply(change):
                    self._audience.note(change.key)
                    newer += 1
            except Refused as error:
                refused.append(error)
        self._report(refused)
        if newer:
            self._flush_when_due()

    async def reload(self) -> None:
        """Changes may have been lost: load the state anew and send it to every viewer.

        Of several calls at the same time, all but the first share a load. If it fails, every
        viewer's `resync` is called.

        Raises what `add` raises for a load.
        """
        self._loads.outdate()
        await self._loads.wait()

    def close(self) -> None:
        """Let all viewers go; stop the timer and the load."""
        self._loads.close()
        for viewer in self._audience:
            self.remove(viewer)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _read(self) -> None:
        self._state.start_load()
        try:
            try:
                async with asyncio.timeout(self._load_timeout) as bound:
                    loaded = await self._load()
            except TimeoutError as error:
                if not bound.expired():
                    raise
                raise TimeoutError(
                    f"the state of stream {self.name} was not loaded within {self._load_timeout} s"
                ) from error
            try:
                refused = self._state.merge(loaded)
            except TypeError as error:
                raise TypeError(f"stream {self.name}: {error}") from error
        except Exception:
            # Whoever takes old state for new is worse off than who starts anew.
            for viewer in self._audience:
                viewer.resync()
            raise
        finally:
            self._state.stop_load()
        self._report(refused)
        self._audience.start_anew()
        self._flush_when_due()

    def _flush_when_due(self) -> None:
        if not self._audience.is_late:
            return
        if self._scheduler.time() >= self._next_flush:
            self._flush()
        elif self._timer is None:
            self._timer = self._scheduler.call_at(self._next_flush, self._flush)

    def _look_again_if_late(self) -> None:
        if self._timer is None and (self._audience.is_late or self._wanted):
            now = self._scheduler.time()
            when = self._next_flush if self._next_flush > now else now + self._interval
            self._timer = self._scheduler.call_at(when, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._scheduler.time()
        self._served_until = {
            viewer: until for viewer, until in self._served_until.items() if until > now
        }
        self._change_views()
        if self._audience.flush(but=self._served_until.keys()):
            # A look at those who are still behind does not make the others wait.
            self._next_flush = now + self._interval
        self._look_again_if_late()

    def _change_views(self) -> None:
        """Of those whose turn it is now."""
        for viewer, only in list(self._wanted.items()):
            if viewer in self._served_until or viewer.is_behind():
                continue
            del self._wanted[viewer]
            try:
                self._audience.change_view(viewer, only, at_once=False)
            except Exception:  # the application's own; the viewer keeps what it had
                logger.exception("stream %s: filter %r fails", self.name, only)

    def _report(self, refused: Sequence[Refused]) -> None:
        self._stats.refused += len(refused)
        if refused and (now := self._scheduler.time()) >= self._log_refused_at:
            self._log_refused_at = now + _LOG_INTERVAL
            logger.error("stream %s is incomplete: %s", self.name, refused[0])
