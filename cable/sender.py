"""How a broadcast leaves this process, and what happens when it cannot."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from cable import envelope
from cable.conf import get_settings
from cable.envelope import Event
from cable.kinds import history_of
from cable.layer import find_layer
from cable.sequence import Numbering
from cable.stats import stats
from cable.store import get_store
from cable.streams import CONTROL_GROUP, group_name

logger = logging.getLogger(__name__)

#: From a message without history to the word that it was sent, seconds.
_ANNOUNCE = 1.0
#: Between attempts to send what waits, seconds.
_RETRY = 0.5


@dataclass(slots=True)
class _Waiting:
    """One event that is not sent yet, or that half is: stored but not yet published."""

    event: Event
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    #: The store may have it already.
    again: bool = False


class Sender:
    """Sends events from one event loop, each stream's in order.

    What cannot be sent waits for the layer to come back: messages with history until they are
    given up, others not at all, because nobody could tell a late one from a new one. Whatever
    is lost is said as soon as the layer delivers again: the stream's subscribers take a new
    state. Nothing here raises for a layer or store that fails; the work that a broadcast tells
    of is done.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._waiting: deque[tuple[float, _Waiting]] = deque()
        self._lost: set[str] = set()
        self._numbering = Numbering()
        # Streams whose last message may be dropped by the layer without a next one to show it.
        self._unannounced: set[str] = set()
        self._announcer: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many broadcasts wait for the layer or the store to come back."""
        return len(self._waiting)

    async def send(self, event: Event) -> None:
        """Send now, or take over the responsibility for it. Waits `broadcast_timeout` at most."""
        find_layer(get_settings().layer), get_store()  # a wrong setting is no outage: it raises
        stats.broadcasts += 1
        if event["type"] == envelope.STATE or (
            event["type"] == envelope.MESSAGE and history_of(event["stream"]) is None
        ):
            event = self._numbering.number(event)
            self._unannounced.add(event["stream"])
            if self._announcer is None:
                self._announcer = asyncio.create_task(self._announce(), name="cable-announce")
        waiting = _Waiting(event)
        if self._waiting or self._lost:
            self._wait(waiting, "others wait already")
            return
        try:
            await self._attempt(waiting)
        except Exception as error:  # each layer and client raises its own
            self._wait(waiting, repr(error))

    async def _announce(self) -> None:
        """Tell receivers, once a second, how much they should have got."""
        try:
            while self._unannounced:
                await asyncio.sleep(_ANNOUNCE)
                streams, self._unannounced = self._unannounced, set()
                for stream in streams:
                    event = self._numbering.last(envelope.sent(stream))
                    if event is None:
                        continue
                    try:
                        await self._attempt(_Waiting(event))
                    except Exception as error:  # each layer and client raises its own
                        # An outage of the layer is told to all by other means.
                        logger.warning("what was sent to %s is not announced: %r", stream, error)
        finally:
            self._announcer = None

    async def flush(self, within: float) -> None:
        """Before this process ends: send what waits, or say in the log what is lost with it."""
        deadline = self._now() + within
        while (self._waiting or self._lost) and self._now() < deadline:  # noqa: ASYNC110 - rare
            await asyncio.sleep(_RETRY / 5)
        streams = sorted({waiting.event.get("stream", "") for _, waiting in self._waiting})
        if self._waiting or self._lost:
            stats.broadcasts_lost += len(self._waiting)
            logger.error(
                "this process ends with %d broadcasts unsent, to %.500s; losses untold: %.500s",
                len(self._waiting),
                ", ".join(streams),
                ", ".join(sorted(self._lost)),
            )

    async def _attempt(self, waiting: _Waiting) -> None:
        settings, event = get_settings(), waiting.event
        async with asyncio.timeout(settings.broadcast_timeout):
            stream = event.get("stream")
            if event["type"] == envelope.MESSAGE and "offset" not in event:
                options = history_of(event["stream"])
                if options is not None:
                    again, waiting.again = waiting.again, True
                    head = await get_store().append(
                        event["stream"],
                        event["message"],
                        message_id=waiting.id,
                        options=options,
                        again=again,
                    )
                    event = waiting.event = envelope.positioned(event, head)
            group = CONTROL_GROUP if stream is None else group_name(stream)
            await find_layer(settings.layer).group_send(group, event)

    def _wait(self, waiting: _Waiting, why: str) -> None:
        settings, event = get_settings(), waiting.event
        stream = event.get("stream", "")
        keeps = (
            event["type"] in (envelope.DISCONNECT, envelope.GAP)
            or (event["type"] == envelope.MESSAGE and history_of(stream) is not None)
            or "presence" in event  # said twice it does no harm, and never it leaves a ghost
        )
        if keeps and len(self._waiting) < settings.max_waiting_broadcasts:
            logger.warning("a broadcast to %s waits: %s", stream or "all processes", why)
            deadline = self._now() + settings.broadcast_retry_seconds
            self._waiting.append((deadline, waiting))
        else:
            self._lose(waiting, why)
        if self._task is None:
            self._task = asyncio.create_task(self._retry(), name="cable-broadcast-retry")

    def _lose(self, waiting: _Waiting, why: str) -> None:
        stats.broadcasts_lost += 1
        stream = waiting.event.get("stream", "")
        logger.error("a broadcast to %s was lost: %s", stream or "all processes", why)
        if stream and waiting.event["type"] != envelope.TRANSIENT:
            self._lost.add(stream)

    async def _retry(self) -> None:
        try:
            while self._waiting or self._lost:
                await asyncio.sleep(_RETRY)
                try:
                    await self._send_waiting()
                    await self._tell_losses()
                except Exception as error:  # each layer and client raises its own
                    logger.warning("broadcasts still wait: %r", error)
        finally:
            self._task = None

    async def _send_waiting(self) -> None:
        while self._waiting:
            deadline, waiting = self._waiting[0]
            if self._now() > deadline:
                self._waiting.popleft()
                self._lose(waiting, "the layer was away for too long")
                continue
            await self._attempt(waiting)
            stats.broadcasts_retried += 1
            self._waiting.popleft()

    async def _tell_losses(self) -> None:
        """End the epochs of streams that lost something, so that nobody resumes across it."""
        for stream in list(self._lost):
            # Taken out first: what is lost while this is said has to be said again.
            self._lost.discard(stream)
            try:
                if (options := history_of(stream)) is not None:
                    await get_store().restart(stream, options)
                await self._attempt(_Waiting(envelope.gap(stream)))
            except BaseException:
                self._lost.add(stream)
                raise


_senders: WeakKeyDictionary[asyncio.AbstractEventLoop, Sender] = WeakKeyDictionary()


def current_sender() -> Sender:
    """The sender of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _senders:
        # Not `loop.time`, by which the sender would keep its loop, and so itself, for ever.
        _senders[loop] = Sender(time.monotonic)
    return _senders[loop]


def running_senders() -> list[Sender]:
    """The senders of this process, one for each event loop that broadcast."""
    loops = [reference() for reference in _senders.keyrefs()]  # other threads may add to them
    return [_senders[loop] for loop in loops if loop is not None]


def forget_senders() -> None:
    """In a forked child: what waits in the parent is the parent's."""
    _senders.clear()
