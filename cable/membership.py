"""This process' place in the channel layer: one channel, and the groups that it is in."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
import uuid
from collections.abc import Callable

from cable import envelope
from cable.background import keep_running
from cable.conf import CableSettings
from cable.envelope import Event
from cable.errors import StreamUnavailable
from cable.layer import ChannelLayer, ReconnectWatch
from cable.stats import stats
from cable.streams import CONTROL_GROUP

logger = logging.getLogger(__name__)

#: An echo sent before the join took effect is lost; it is sent again after this, then after
#: twice as long, and so on up to the second number (seconds).
_ECHO_AGAIN, _ECHO_AGAIN_MAX = 0.05, 0.5
#: Groups that are rejoined at the same time after an outage.
_REJOINS_AT_ONCE = 50
#: Groups of the core layer expire (`group_expiry`); they are joined anew after this part of it.
_REJOIN_PART = 1 / 4
#: Between attempts to reach a layer that fails, seconds.
_RETRY = 1.0


class _Group:
    __slots__ = ("joined", "lock", "name", "suspect", "wanted")

    def __init__(self, name: str) -> None:
        self.name = name
        self.lock = asyncio.Lock()
        self.wanted = True
        self.joined = False
        # The last join did not deliver: the layer may believe in a membership that is none.
        self.suspect = False


class Memberships:
    """Joins and leaves groups, receives for them, and notices when the layer lost messages.

    A join counts only when a message sent to the group came back: the layers return from
    `group_add` before the broker has processed it, and what is published in between is lost.
    The same echo, sent to a group of our own every `probe_interval`, tells whether the layer
    still delivers. After an outage all groups are joined anew, then `on_interrupted` is called.
    """

    def __init__(
        self,
        layer: ChannelLayer,
        settings: CableSettings,
        *,
        on_message: Callable[[Event], None],
        on_interrupted: Callable[[], None],
    ) -> None:
        self._layer = layer
        self._settings = settings
        self._on_message = on_message
        self._on_interrupted = on_interrupted
        self._id = uuid.uuid4().hex
        self._own = _Group(f"cable-probe.{self._id}")
        self._groups = {group.name: group for group in (self._own, _Group(CONTROL_GROUP))}
        self._unwanted: set[str] = set()
        self._channel = ""
        self._ready = asyncio.Event()
        self._wake = asyncio.Event()
        self._interrupted = False
        self._numbers = itertools.count(1)
        self._echoes: dict[int, asyncio.Future[None]] = {}
        self._watch = ReconnectWatch(layer, self.interrupted)
        self._tasks: list[asyncio.Task[None]] = []
        #: Seconds that the last probe took through the layer; None before the first.
        self.round_trip: float | None = None
        #: On `time.monotonic`: when a probe last came back, or else the start; None before that.
        self.heard_at: float | None = None

    def start(self) -> None:
        """Begin to serve, once."""
        if not self._tasks:
            self.heard_at = time.monotonic()
            self._tasks = [
                keep_running(self._receive, "cable-receive"),
                keep_running(self._keep, "cable-keep"),
            ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def join(self, name: str) -> None:
        """Be in the group on return.

        Raises:
            StreamUnavailable: not within `layer_timeout`.
        """
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = _Group(name)
        group.wanted = True
        self._unwanted.discard(name)
        if not group.joined:
            await self._join(group)

    def leave(self, name: str) -> None:
        """Leave the group soon; a `join` before that finds it joined."""
        if group := self._groups.get(name):
            group.wanted = False
            self._unwanted.add(name)
            self._wake.set()

    def interrupted(self) -> None:
        """The layer may have lost messages: rejoin everything, then tell the subscribers."""
        self._interrupted = True
        self._wake.set()

    async def _join(self, group: _Group) -> None:
        try:
            # The wait for the lock counts: behind a join that fails, others must fail in time.
            async with asyncio.timeout(self._settings.layer_timeout), group.lock:
                if group.joined:
                    return
                await self._ready.wait()
                if group.suspect:
                    await self._layer.group_discard(group.name, self._channel)
                group.suspect = True
                await self._layer.group_add(group.name, self._channel)
                self._watch.refresh()
                await self._echo(group)
                group.suspect = False
                group.joined = True
        except Exception as error:  # each layer and client raises its own
            raise StreamUnavailable(
                f"the channel layer did not join group {group.name}: {error!r}"
            ) from error

    async def _echo(self, group: _Group) -> None:
        number = next(self._numbers)
        heard = self._echoes[number] = asyncio.get_running_loop().create_future()
        again = _ECHO_AGAIN
        try:
            while not heard.done():
                await self._layer.group_send(group.name, envelope.echo(self._id, number))
                await asyncio.wait([heard], timeout=again)
                again = min(again * 2, _ECHO_AGAIN_MAX)
        finally:
            del self._echoes[number]

    async def _receive(self) -> None:
        while True:
            try:
                if not self._ready.is_set():
                    async with asyncio.timeout(self._settings.layer_timeout):
                        self._channel = await self._layer.new_channel()
                    self._ready.set()
                event = await self._layer.receive(self._channel)
            except Exception as error:  # each layer and client raises its own
                logger.warning("the channel layer does not receive: %r; trying again", error)
                self.interrupted()
                await asyncio.sleep(_RETRY)
                continue
            try:
                self._handle(event)
            except Exception:
                logger.exception("a message of the channel layer failed: %.200r", event)
            # A layer with a backlog never suspends; let the sockets write in between.
            await asyncio.sleep(0)

    def _handle(self, event: Event) -> None:
        if event["type"] != envelope.ECHO:
            self._on_message(event)
        elif event["member"] == self._id:
            heard = self._echoes.get(event["number"])
            if heard is not None and not heard.done():
                heard.set_result(None)

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        for group in list(self._groups.values()):
            try:
                await self._join(group)
            except StreamUnavailable as error:
                logger.warning("%s; trying again", error)
                self._interrupted = True
        expiry = float(getattr(self._layer, "group_expiry", None) or "inf")
        next_probe = loop.time() + self._settings.probe_interval
        next_rejoin = loop.time() + expiry * _REJOIN_PART
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(next_probe):
                    await self._wake.wait()
            self._wake.clear()
            await self._leave_unwanted()
            if loop.time() >= next_probe:
                await self._probe()
                next_probe = loop.time() + self._settings.probe_interval
            if self._interrupted:
                await self._repair()
            if loop.time() >= next_rejoin:
                await self._refresh_expiry()
                next_rejoin = loop.time() + expiry * _REJOIN_PART

    async def _leave_unwanted(self) -> None:
        for name in list(self._unwanted):
            group = self._groups[name]
            try:
                async with asyncio.timeout(self._settings.layer_timeout), group.lock:
                    if not group.wanted:
                        group.joined = False
                        await self._layer.group_discard(name, self._channel)
                    if not group.wanted:
                        del self._groups[name]
                        self._unwanted.discard(name)
            except Exception as error:  # each layer and client raises its own
                logger.warning("the channel layer did not leave %s: %r; again soon", name, error)
                return

    async def _probe(self) -> None:
        started = time.perf_counter()
        self._watch.refresh()
        try:
            async with asyncio.timeout(self._settings.layer_timeout):
                await self._echo(self._own)
        except Exception as error:  # each layer and client raises its own
            logger.warning("the channel layer does not deliver: %r; trying again", error)
            self._interrupted = True
        else:
            self.round_trip = time.perf_counter() - started
            self.heard_at = time.monotonic()
            stats.round_trips.observe(self.round_trip)

    async def _repair(self) -> None:
        limit = asyncio.Semaphore(_REJOINS_AT_ONCE)

        async def rejoin(group: _Group) -> None:
            async with limit:
                await self._join(group)

        while self._interrupted:
            self._interrupted = False
            wanted = [group for group in self._groups.values() if group.wanted]
            for group in wanted:
                group.joined = False
            results = await asyncio.gather(*map(rejoin, wanted), return_exceptions=True)
            failed = [result for result in results if isinstance(result, BaseException)]
            if failed:
                logger.error(
                    "%d of %d groups not rejoined: %s", len(failed), len(wanted), failed[0]
                )
                self._interrupted = True
                return
        logger.warning("the channel layer delivers again; %d groups rejoined", len(wanted))
        self._on_interrupted()

    async def _refresh_expiry(self) -> None:
        for group in [group for group in self._groups.values() if group.joined]:
            try:
                async with asyncio.timeout(self._settings.layer_timeout):
                    await self._layer.group_add(group.name, self._channel)
            except Exception as error:  # each layer and client raises its own
                logger.warning("the channel layer did not rejoin %s: %r", group.name, error)
                self.interrupted()
                return
