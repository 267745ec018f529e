"""Which local subscriptions listen to which streams."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from cable import envelope, protocol
from cable.background import keep_running
from cable.conf import CableSettings
from cable.conflation import Change, ConflatedStream, Filter, Load
from cable.conflation import Stats as ConflationStats
from cable.envelope import Event
from cable.errors import StreamUnavailable
from cable.kinds import history_of
from cable.local_stream import LocalStream
from cable.membership import Memberships
from cable.protocol import Frame
from cable.store.interface import HistoryOptions, Store, StoreError
from cable.streams import check_stream, group_name
from cable.subscription import Subscription

logger = logging.getLogger(__name__)

_changes = msgspec.json.Decoder(list[tuple[str, int, msgspec.Raw]])
#: A mistake of the application's is logged this often, seconds.
_WARN_INTERVAL = 10.0
#: Streams whose positions are compared with the store's in one round trip.
_CHECKED_AT_ONCE = 500


class Switchboard:
    """Joins and leaves streams for subscriptions, and delivers what comes."""

    def __init__(self, memberships: Memberships, store: Store, settings: CableSettings) -> None:
        self.conflation_stats = ConflationStats()
        self._memberships = memberships
        self._store = store
        self._settings = settings
        self._streams: dict[str, LocalStream] = {}
        self._conflated: dict[str, ConflatedStream] = {}
        self._checker: asyncio.Task[None] | None = None
        self._check_now = asyncio.Event()
        self._warn_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._streams)

    def start(self) -> None:
        """Begin to compare positions with the store, once."""
        if self._checker is None:
            self._checker = keep_running(self._check, "cable-positions")

    async def close(self) -> None:
        tasks = [*self._tasks, *([self._checker] if self._checker else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for stream in self._streams.values():
            stream.close()
        for conflated in self._conflated.values():
            conflated.close()

    def get(self, stream: str) -> LocalStream | None:
        return self._streams.get(stream)

    def is_conflated(self, stream: str) -> bool:
        return stream in self._conflated

    async def join(self, stream: str, subscription: Subscription) -> None:
        """Deliver a stream to a subscription; complete from the moment of return.

        Raises:
            ValueError: not a valid name of a stream.
            StreamUnavailable: the channel layer or the store is down.
        """
        check_stream(stream)
        if stream in subscription.streams:
            return
        async with self._used(stream, history_of(stream)) as local:
            if stream in self._conflated:
                raise ValueError(f"stream {stream!r} is conflated; use `stream_state`")
            subscription.streams.add(stream)
            local.add(subscription)

    async def join_conflated(
        self, stream: str, subscription: Subscription, *, load: Load, only: Filter | None
    ) -> None:
        """Send a conflated stream to a subscription: its state, then its changes.

        Raises:
            ValueError: not a valid name of a stream, or one that is not conflated.
            StreamUnavailable: the channel layer is down.
        """
        check_stream(stream)
        if stream in subscription.streams:
            raise ValueError(f"stream {stream!r} is streamed already")
        async with self._used(stream, None) as local:
            if local.has_listeners:
                raise ValueError(f"stream {stream!r} is ordered here; use `stream_from`")
            conflated = self._conflated.get(stream)
            if conflated is None:
                conflated = self._conflated[stream] = ConflatedStream(
                    stream, load=load, settings=self._settings, stats=self.conflation_stats
                )
            subscription.streams.add(stream)
            local.users += 1  # until `leave`
            try:
                await conflated.add(subscription, only)
            except BaseException:
                self.leave(stream, subscription)
                raise

    def show_only(self, stream: str, subscription: Subscription, only: Filter | None) -> None:
        """Change what of a conflated stream a subscription sees.

        Raises:
            ValueError: the subscription does not have this conflated stream.
        """
        conflated = self._conflated.get(stream)
        if conflated is None or stream not in subscription.streams:
            raise ValueError(f"stream {stream!r} is no conflated stream of this subscription")
        conflated.show_only(subscription, only)

    def leave(self, stream: str, subscription: Subscription) -> None:
        """Stop delivering a stream to a subscription, at once."""
        if stream not in subscription.streams:
            return
        subscription.streams.discard(stream)
        local = self._streams[stream]
        if (conflated := self._conflated.get(stream)) is not None:
            conflated.remove(subscription)
            local.users -= 1
        local.remove(subscription)
        self._drop_if_idle(local)

    def leave_all(self, subscription: Subscription) -> None:
        for stream in list(subscription.streams):
            self.leave(stream, subscription)

    def mark_live(self, subscription: Subscription) -> None:
        """What comes from here on is no longer part of a history that is asked for now."""
        for stream in subscription.streams:
            self._streams[stream].mark_live(subscription)

    def recovers(self, subscription: Subscription) -> bool:
        """Whether a client that comes back gets all that it missed, or the latest state."""
        return all(
            stream in self._conflated or self._streams[stream].history is not None
            for stream in subscription.streams
        )

    def receive(self, event: Event) -> None:
        """A message of a stream came through the channel layer."""
        local = self._streams.get(event.get("stream", ""))
        if local is None:
            return  # left a moment ago
        conflated = self._conflated.get(local.name)
        if event["type"] == envelope.MESSAGE:
            local.receive(event)
            if conflated is not None:
                self._warn(local.name, "conflated: a message to it reaches nobody; send a state")
        elif event["type"] == envelope.STATE:
            local.sequence.take(event)
            if conflated is not None:
                conflated.apply([_change(*change) for change in _changes.decode(event["changes"])])
            elif local.has_listeners:
                self._warn(local.name, "ordered: a state of it reaches nobody; send messages")
        elif event["type"] == envelope.SENT:
            local.sequence.take(event, arrived=False)
        elif event["type"] == envelope.TRANSIENT:
            self._deliver_transient(local, event)
        elif event["type"] == envelope.GAP:
            self._signal(local)
        else:
            logger.warning("the cable does not know messages of type %.100r", event["type"])

    def on_interrupted(self) -> None:
        """The layer may have lost messages of every stream."""
        logger.warning("%d streams may have missed messages", len(self._streams))
        for local in list(self._streams.values()):
            if local.history is None:
                self._signal(local)
        # The others look into the store, and are told only if it lost something.
        self._check_now.set()

    @asynccontextmanager
    async def _used(self, name: str, history: HistoryOptions | None) -> AsyncIterator[LocalStream]:
        """The local stream, joined and kept alive inside of the block."""
        local = self._streams.get(name)
        if local is None:
            local = self._streams[name] = LocalStream(
                name,
                history=history,
                store=self._store,
                settings=self._settings,
                on_gap=self._on_gap,
            )
        local.users += 1
        try:
            self._memberships.start()
            await self._memberships.join(group_name(name))
            try:
                await local.start()
            except StoreError as error:
                raise StreamUnavailable(f"no history of stream {name}: {error}") from error
            yield local
        finally:
            local.users -= 1
            self._drop_if_idle(local)

    def _drop_if_idle(self, local: LocalStream) -> None:
        if not local.is_idle or self._streams.get(local.name) is not local:
            return
        del self._streams[local.name]
        local.close()
        if (conflated := self._conflated.pop(local.name, None)) is not None:
            conflated.close()
        self._memberships.leave(group_name(local.name))

    def _deliver_transient(self, local: LocalStream, event: Event) -> None:
        frames: dict[str, Frame] = {}
        for subscription in list(local.subscriptions()):
            if "presence" in event:
                if not subscription.extended or subscription.presence_stream != local.name:
                    continue
                make, encoded = protocol.presence, event["presence"]
            else:
                if subscription.sid == event["exclude"]:
                    continue
                make, encoded = protocol.message, event["message"]
            frame = frames.get(subscription.identifier)
            if frame is None:
                frame = frames[subscription.identifier] = make(subscription.prefix, encoded)
            subscription.deliver(frame)

    def _warn(self, stream: str, what: str) -> None:
        now = time.monotonic()
        if now >= self._warn_at:
            self._warn_at = now + _WARN_INTERVAL
            logger.warning("stream %s is %s", stream, what)

    def _on_gap(self, local: LocalStream) -> None:
        logger.error("the channel layer dropped messages of stream %s", local.name)
        self._signal(local)

    def _signal(self, local: LocalStream) -> None:
        """Messages were lost for good: subscribers take a new state."""
        if (conflated := self._conflated.get(local.name)) is not None:
            task = asyncio.create_task(self._reload(conflated), name="cable-reload")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if local.history is None:
            local.signal_loss()
        else:
            local.suspect()

    async def _reload(self, conflated: ConflatedStream) -> None:
        try:
            await conflated.reload()
        except Exception:  # the application's own; its viewers were told to start anew
            logger.exception("the state of stream %s was not loaded anew", conflated.name)

    async def _check(self) -> None:
        """Find what was stored but never arrived here."""
        while True:
            try:
                async with asyncio.timeout(self._settings.position_check_interval):
                    await self._check_now.wait()
            except TimeoutError:
                pass
            self._check_now.clear()
            names = [local.name for local in self._streams.values() if local.history is not None]
            for start in range(0, len(names), _CHECKED_AT_ONCE):
                try:
                    await self._compare(names[start : start + _CHECKED_AT_ONCE])
                except StoreError as error:
                    logger.warning("positions of streams are not compared: %s", error)
                    break
            for local in list(self._streams.values()):
                local.forget_old()

    async def _compare(self, names: list[str]) -> None:
        heads = await self._store.heads(names)
        for name, head in zip(names, heads, strict=True):
            local = self._streams.get(name)
            if local is not None and not local.agrees_with(head):
                local.suspect()


def _change(key: str, version: int, value: msgspec.Raw) -> Change:
    text = bytes(value).decode()
    return Change(key, version, None if text == "null" else text)
