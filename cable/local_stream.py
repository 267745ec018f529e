"""One stream in one process: who listens to it, and how far it has come."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from cable import protocol
from cable.conf import CableSettings
from cable.envelope import Event
from cable.sequence import Sequence
from cable.stats import stats
from cable.store.interface import Entry, Head, HistoryOptions, Store, StoreError
from cable.subscription import Subscription
from cable.timeline import Since, Timeline

logger = logging.getLogger(__name__)

#: Between attempts to read a store that fails, seconds.
_RETRY = 1.0
#: A copy of the history is used for this part of the time for which messages are kept: it spares
#: the store a read for each client of many that come back together.
_REMEMBERED_PART = 1 / 10
#: The epoch changes while a log is read only if the store is being lost again and again.
_READS = 5


class LocalStream:
    """Hands messages to the local listeners: those with history in order, once, without gaps."""

    def __init__(
        self,
        name: str,
        *,
        history: HistoryOptions | None,
        store: Store,
        settings: CableSettings,
        on_gap: Callable[[LocalStream], None],
    ) -> None:
        self.name = name
        self.history = history
        #: Of messages without history.
        self.sequence = Sequence(lambda: on_gap(self))
        #: Joins and other work that keep it alive while nobody listens.
        self.users = 0
        self._store = store
        self._settings = settings
        # Those with the same identifier and protocol share frames.
        self._listeners: dict[tuple[str, bool], set[Subscription]] = {}
        self._timeline: Timeline | None = None
        self._before_start: list[tuple[str, Entry]] = []
        self._excluded: dict[int, str] = {}
        # Let through and not sent yet, while many are sent at once.
        self._outgoing: deque[Entry] = deque()
        self._lock = asyncio.Lock()
        self._repairing: asyncio.Task[None] | None = None
        self._pump: asyncio.Task[None] | None = None
        self._remembered_at = 0.0

    @property
    def is_idle(self) -> bool:
        return not self._listeners and not self.users

    @property
    def has_listeners(self) -> bool:
        return bool(self._listeners)

    @property
    def timeline(self) -> Timeline:
        if self._timeline is None:
            raise RuntimeError(f"stream {self.name} has no history, or is not started")
        return self._timeline

    def subscriptions(self) -> Iterator[Subscription]:
        for same in self._listeners.values():
            yield from same

    async def start(self) -> None:
        """Learn how far the stream has come; call once its messages arrive here.

        Raises:
            StoreError: the store does not answer.
        """
        if self.history is None or self._timeline is not None:
            return
        async with self._lock:
            if self._timeline is None:
                head = await self._store.head(self.name, self.history)
                self._timeline = Timeline(head, self.history)
                for epoch, entry in self._before_start:
                    self._timeline.accept(epoch, entry)
                self._before_start.clear()
        self._repair_if_needed()

    def add(self, subscription: Subscription) -> None:
        """Deliver to this subscription from now on."""
        key = (subscription.identifier, subscription.extended)
        self._listeners.setdefault(key, set()).add(subscription)
        self.mark_live(subscription)

    def remove(self, subscription: Subscription) -> None:
        key = (subscription.identifier, subscription.extended)
        same = self._listeners.get(key, set())
        same.discard(subscription)
        if not same:
            self._listeners.pop(key, None)
        subscription.live_from.pop(self.name, None)

    def mark_live(self, subscription: Subscription) -> None:
        """Messages from here on reach the subscription by themselves."""
        if self._timeline is not None:
            sent = self._outgoing[0].offset - 1 if self._outgoing else self._timeline.position
            subscription.live_from[self.name] = (self._timeline.epoch, sent)

    def receive(self, event: Event) -> None:
        """A message came through the channel layer."""
        stats.messages_received += 1
        excluded = event.get("exclude", "")
        if self.history is None or "offset" not in event:
            self._fan_out(event["message"], "", excluded)
            if "number" in event:
                self.sequence.take(event)
            return
        entry = Entry(event["offset"], event["time_ms"], event["message"])
        if self._timeline is None:
            if len(self._before_start) < self.history.limit:
                self._before_start.append((event["epoch"], entry))
            return
        is_new = event["epoch"] == self._timeline.epoch and entry.offset > self._timeline.position
        if excluded and is_new and len(self._excluded) < self.history.limit:
            self._excluded[entry.offset] = excluded
        ready = self._timeline.accept(event["epoch"], entry)
        if not ready and entry.offset <= self._timeline.position:
            stats.messages_duplicate += 1
        self._send(ready)
        self._repair_if_needed()

    def signal_loss(self) -> None:
        """Tell every listener that messages may be lost for good."""
        for subscription in list(self.subscriptions()):
            subscription.signal_loss(history=self.history is not None)

    # History.

    async def backlog(self, subscription: Subscription, since: Since) -> list[Entry] | None:
        """What the subscription missed before its live messages; None when some of it is lost.

        Raises:
            StoreError: the store does not answer.
        """
        timeline = self.timeline
        if since.epoch == timeline.epoch and since.offset > timeline.position:
            await self._catch_up()  # another process was faster
        epoch, up_to = subscription.live_from[self.name]
        if epoch != timeline.epoch:
            return None
        if timeline.has_nothing_since(since):
            return []
        self._forget_old(timeline, self.history)
        if not timeline.remembers:
            async with self._lock:
                if not timeline.remembers:
                    self._remembered_at = asyncio.get_running_loop().time()
                    timeline.start_remembering()
                    try:
                        timeline.remember(await self._store.read(self.name, timeline.options))
                    finally:
                        timeline.stop_remembering()
        missed = timeline.after(since, up_to=up_to) if timeline.remembers else None
        return None if missed is None else list(missed)

    def forget_old(self) -> None:
        """Drop a copy of the history that has been here for long."""
        if self._timeline:
            self._forget_old(self._timeline, self.history)

    def _forget_old(self, timeline: Timeline, history: HistoryOptions | None) -> None:
        # The store knows what is too old. What is answered from here is older by no more.
        age = asyncio.get_running_loop().time() - self._remembered_at
        if history is not None and age > history.seconds * _REMEMBERED_PART:
            timeline.forget()

    # Repair.

    def agrees_with(self, head: Head | None) -> bool:
        """Whether all that the store has came here."""
        return self._timeline is None or self._timeline.agrees_with(head)

    def suspect(self) -> None:
        """Messages may have been lost on the way here: look into the store."""
        if self._timeline is not None:
            self._timeline.suspect()
            self._repair_if_needed()

    def close(self) -> None:
        self.sequence.close()
        for task in (self._repairing, self._pump):
            if task is not None:
                task.cancel()

    def _repair_if_needed(self) -> None:
        if self._timeline and self._timeline.needs_read and self._repairing is None:
            self._repairing = asyncio.create_task(self._repair(), name="cable-repair")

    async def _repair(self) -> None:
        wait = self._settings.gap_wait
        try:
            while True:
                await asyncio.sleep(wait)  # most of what is late comes by itself
                if not self.timeline.needs_read:
                    return
                try:
                    await self._catch_up()
                except StoreError as error:
                    logger.warning("stream %s is not repaired yet: %s", self.name, error)
                    wait = _RETRY
        finally:
            self._repairing = None

    async def _catch_up(self) -> None:
        """Read from the store what has not come, and send it."""
        timeline = self.timeline
        async with self._lock:
            for _ in range(_READS):
                before = timeline.mark()
                head = await self._store.head(self.name, timeline.options)
                if timeline.went_back(head, before):
                    logger.error("the store forgot messages of stream %s", self.name)
                    head = await self._store.restart(self.name, timeline.options)
                after = timeline.position if head.epoch == timeline.epoch else 0
                log = await self._store.read(self.name, timeline.options, after=after)
                if log.head.epoch == head.epoch:
                    break
            else:
                raise StoreError(f"the epoch of stream {self.name} changes all the time")
            ready, lost = timeline.fill(log)
        if lost:
            self._excluded.clear()
            self._outgoing.clear()  # of another epoch, and told as lost
            logger.error("messages of stream %s are lost; its subscribers are told", self.name)
            self.signal_loss()
        stats.messages_repaired += len(ready)
        await self._send_paced(ready)

    # Fan-out.

    def _send(self, entries: Iterable[Entry]) -> None:
        if self._outgoing:
            self._outgoing.extend(entries)  # its turn comes
            return
        for entry in entries:
            self._send_one(entry)

    async def _send_paced(self, entries: Iterable[Entry]) -> None:
        """Send many at once, such that readers that keep up are not taken for slow ones."""
        self._outgoing.extend(entries)
        if self._pump is None:
            self._send_chunk()
            if self._outgoing:
                # A task of its own: whoever is here may be cancelled.
                self._pump = asyncio.create_task(self._send_rest(), name="cable-pump")
        if self._pump is not None:
            await asyncio.wait({self._pump})

    async def _send_rest(self) -> None:
        try:
            while self._outgoing:
                await asyncio.sleep(0)  # the sockets are written
                self._send_chunk()
        finally:
            self._pump = None

    def _send_chunk(self) -> None:
        size = 0
        while self._outgoing and size <= self._settings.max_pending_bytes // 4:
            entry = self._outgoing[0]
            size += len(entry.message)
            try:
                self._send_one(entry)
            finally:
                if self._outgoing:  # else it was cleared, as lost
                    self._outgoing.popleft()

    def _send_one(self, entry: Entry) -> None:
        position = protocol.stream_position(self.name, self.timeline.epoch, entry.offset)
        excluded = self._excluded.pop(entry.offset, "")
        self._fan_out(entry.message, position, excluded, (self.name, entry.offset))

    def _fan_out(
        self, encoded: str, position: str, excluded: str, at: tuple[str, int] | None = None
    ) -> None:
        for (_, extended), subscriptions in self._listeners.items():
            frame = None
            for subscription in subscriptions:
                if frame is None:
                    where = position if extended else ""
                    frame = protocol.message(subscription.prefix, encoded, where, at)
                if not excluded or subscription.sid != excluded:
                    subscription.deliver(frame)
                else:
                    stats.deliveries -= 1
            stats.deliveries += len(subscriptions)
