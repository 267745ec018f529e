"""The order of one stream's history in one process."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cable.store.interface import Entry, Head, HistoryOptions, Log


class Since(NamedTuple):
    """Where a client wants its history from: after a position, or from a time on.

    `seconds` is UNIX time, inclusive, by the client's clock; it counts when `epoch` is None.
    """

    epoch: str | None
    offset: int
    seconds: float | None


class Mark(NamedTuple):
    """The newest message that was let through, and the offset of the newest that arrived."""

    through: Head
    newest: int


class Timeline:
    """Lets every message of a stream through once and in order, and knows what is missing.

    Messages reach a process through the channel layer, which may lose, repeat or reorder them.
    The store gave each an offset before it was sent, so a gap shows, and can be read from there.
    Nothing here waits: the hub reads the store when `needs_read` says so, and hands the log to
    `fill`.
    """

    def __init__(self, head: Head, options: HistoryOptions) -> None:
        self.epoch = head.epoch
        #: Offset of the newest message that was let through.
        self.position = head.offset
        self._time_ms = head.time_ms
        self.options = options
        # Arrived before their turn. More than the store keeps is not worth keeping here.
        self._early: dict[int, Entry] = {}
        self._suspect = False
        # The newest messages, contiguous up to `position`; None until somebody asked for history.
        self._tail: deque[Entry] | None = None
        self._meanwhile: list[Entry] | None = None
        self._lost_ms = 0

    @property
    def needs_read(self) -> bool:
        """Messages are missing, or may be."""
        return self._suspect or bool(self._early)

    def suspect(self) -> None:
        """Something may be missing that no later message has shown yet."""
        self._suspect = True

    def accept(self, epoch: str, entry: Entry) -> list[Entry]:
        """A message arrived: what may go out now, in order."""
        if epoch != self.epoch:
            self._suspect = True
            return []
        if entry.offset <= self.position:
            # A repetition, unless the store forgot its newest messages and counts them again.
            if entry.time_ms > self._time_ms:
                self._suspect = True
            return []
        if entry.offset > self.position + 1:
            if len(self._early) < self.options.limit:
                self._early[entry.offset] = entry
            else:
                self._suspect = True
            return []
        return self._advance([entry])

    def agrees_with(self, head: Head | None) -> bool:
        """Whether the store's newest message is the one that was let through last."""
        return (
            head is not None
            and head.epoch == self.epoch
            and head.offset == self.position
            and (head.time_ms == self._time_ms or head.offset == 0)
        )

    def mark(self) -> Mark:
        """How far it has come now."""
        newest = max(self._early, default=self.position)
        return Mark(Head(self.epoch, self.position, self._time_ms), newest)

    def went_back(self, head: Head, before: Mark | None = None) -> bool:
        """Whether the store forgot messages that came here, so that it counts wrongly.

        `before` was taken before the store was asked: its answer lacks what came since.
        """
        through, newest = before or self.mark()
        if head.epoch != through.epoch:
            return False
        # A message is stored before it is sent.
        if head.offset < newest:
            return True
        return 0 < head.offset == through.offset and head.time_ms != through.time_ms

    def fill(self, log: Log) -> tuple[list[Entry], bool]:
        """The store's log, read after `position` (from its beginning if the epoch changed).

        Returns what may go out now, and whether messages before it are lost for good.
        """
        self._suspect = False
        lost = False
        if log.head.epoch != self.epoch:
            self.epoch, self.position, lost = log.head.epoch, 0, True
            self._early.clear()
            self._tail = None
        entries = [entry for entry in log.entries if entry.offset > self.position]
        first = entries[0].offset if entries else log.head.offset + 1
        if first > self.position + 1:
            lost = True
            self.position = first - 1
            self._tail = None
        ready = self._advance(entries)
        if not entries and log.head.offset == self.position:
            self._time_ms = max(self._time_ms, log.head.time_ms)
        return ready, lost

    # History for those who ask.

    def has_nothing_since(self, since: Since) -> bool:
        """Whether the answer is "nothing was missed", known without reading anything."""
        if since.epoch is not None:
            return since.epoch == self.epoch and since.offset == self.position
        return since.seconds is None or self._time_ms < since.seconds * 1000

    def start_remembering(self) -> None:
        """Collect what is let through while the log is read that `remember` gets."""
        self._meanwhile = []

    def remember(self, log: Log) -> None:
        """Keep the store's log, read from its beginning, to answer requests from."""
        meanwhile = self._meanwhile
        self.stop_remembering()
        if log.head.epoch != self.epoch or meanwhile is None:
            return
        before = meanwhile[0].offset if meanwhile else self.position + 1
        kept = deque(entry for entry in log.entries if entry.offset < before)
        newest = kept[-1].offset if kept else log.head.offset
        if newest >= before - 1:
            self._tail, self._lost_ms = kept, log.lost_ms
            self._keep(meanwhile)

    def stop_remembering(self) -> None:
        self._meanwhile = None

    def forget(self) -> None:
        """Drop what `remember` kept."""
        self._tail = None

    @property
    def remembers(self) -> bool:
        return self._tail is not None

    def after(self, since: Since, *, up_to: int) -> Sequence[Entry] | None:
        """The messages that a client missed, at most up to an offset; None when some are lost.

        Only when `remembers`.
        """
        tail = self._tail
        if tail is None:
            raise RuntimeError("nothing is remembered; call `remember` before")
        low = tail[0].offset if tail else self.position + 1
        if since.epoch is not None:
            if since.epoch != self.epoch or not low - 1 <= since.offset <= self.position:
                return None
            start = since.offset + 1
        elif since.seconds is None:
            return []
        else:
            since_ms = since.seconds * 1000
            if self._lost_ms and self._lost_ms >= since_ms:
                return None
            start = low + bisect_left(tail, since_ms, key=lambda entry: entry.time_ms)
        return [entry for entry in tail if start <= entry.offset <= up_to]

    def _advance(self, entries: Iterable[Entry]) -> list[Entry]:
        ready = list(entries)
        if ready:
            self.position = ready[-1].offset
        while entry := self._early.pop(self.position + 1, None):
            ready.append(entry)
            self.position = entry.offset
        if self._early:
            self._early = {o: entry for o, entry in self._early.items() if o > self.position}
        if ready:
            # Senders' clock is the store's, so this grows with the offset.
            self._time_ms = ready[-1].time_ms
            self._keep(ready)
        return ready

    def _keep(self, entries: list[Entry]) -> None:
        if self._meanwhile is not None:
            self._meanwhile.extend(entries)
        if self._tail is None:
            return
        self._tail.extend(entries)
        while len(self._tail) > self.options.limit:
            self._lost_ms = self._tail.popleft().time_ms
