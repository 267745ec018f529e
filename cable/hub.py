"""Fan-out: one per process and event loop, between the channel layer and the local sockets."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

from cable import envelope
from cable.conf import CableSettings, get_settings
from cable.draining import retire_all
from cable.envelope import Event
from cable.errors import StreamUnavailable
from cable.layer import ChannelLayer, find_layer
from cable.membership import Memberships
from cable.presence import PresenceKeeper
from cable.sender import current_sender
from cable.sessions import SessionKeeper
from cable.stats import stats
from cable.store import Store, get_store
from cable.streams import CONTROL_GROUP
from cable.switchboard import Switchboard
from cable.ticker import Tickers

if TYPE_CHECKING:
    from cable.connection import Connection
    from cable.handshake import Identity

logger = logging.getLogger(__name__)

_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def serving_loop() -> asyncio.AbstractEventLoop | None:
    """A running event loop of this process on which a hub serves."""
    for loop in list(_hubs):
        if loop.is_running():
            return loop
    return None


def running_hubs() -> list[Hub]:
    """The hubs of this process, one for each event loop that serves sockets."""
    return list(_hubs.values())


def forget_hubs() -> None:
    """In a forked child: the parent's loops look alive but never run here."""
    _hubs.clear()


class _Command(NamedTuple):
    """All sockets of a user were to close, at a time of the loop's clock."""

    at: float
    reconnect: bool


class Hub:
    """What all sockets of a process share.

    It owns one channel of the layer and joins a stream's group when the first local
    subscription wants it, so a broadcast costs one message per process however many sockets
    listen. Each message is encoded once per (stream, identifier); handing it to the sockets is
    a plain loop over queues: no thread, no task and no await per socket.
    """

    def __init__(self, layer: ChannelLayer, store: Store, settings: CableSettings) -> None:
        self.connections: set[Connection] = set()
        self.draining = False
        self.store = store
        self._settings = settings
        self._by_identity: defaultdict[str, set[Connection]] = defaultdict(set)
        self._by_group: defaultdict[str, int] = defaultdict(int)
        self._disconnected: dict[str, _Command] = {}
        self._memberships = Memberships(
            layer, settings, on_message=self._on_message, on_interrupted=self._on_interrupted
        )
        self.streams = Switchboard(self._memberships, store, settings)
        self.sessions = SessionKeeper(store, settings)
        self.presence = PresenceKeeper(store, settings, publish=current_sender().send)
        self._tickers = Tickers()
        self._empty = asyncio.Event()
        self._empty.set()

    @classmethod
    def current(cls) -> Hub:
        """The hub of the running event loop, created on first use.

        Raises:
            ImproperlyConfigured: CHANNEL_LAYERS lacks the cable's layer.
        """
        loop = asyncio.get_running_loop()
        hub = _hubs.get(loop)
        if hub is None:
            settings = get_settings()
            hub = _hubs[loop] = cls(find_layer(settings.layer), get_store(), settings)
        return hub

    @property
    def round_trip(self) -> float | None:
        """Seconds of the last probe through the layer; None before the first."""
        return self._memberships.round_trip

    @property
    def heard_at(self) -> float | None:
        """On `time.monotonic`: when a probe last came back, or else the start of probing."""
        return self._memberships.heard_at

    @property
    def identities(self) -> int:
        """How many different users have a socket here."""
        return len(self._by_identity)

    def now(self) -> float:
        """The UNIX time."""
        return time.time()

    async def listen(self) -> None:
        """Hear commands to users' sockets from here on, unless the layer is down."""
        if self.draining:
            return
        self._memberships.start()
        self.streams.start()
        try:
            await self._memberships.join(CONTROL_GROUP)
        except StreamUnavailable as error:
            logger.warning("sockets are served without the channel layer: %s", error)

    def attach(self, connection: Connection) -> None:
        """Serve an authenticated socket; on return it is closing if it may not be served here."""
        identity = connection.identity
        # One that is refused counts for nobody, however long it takes to leave.
        excess = self._excess(identity)
        self.connections.add(connection)
        self._empty.clear()
        if self.draining:
            connection.disconnect("server_restart", reconnect=True)
            return
        if excess:
            logger.warning("%r refused: %s", connection, excess)
            connection.disconnect("too_many_sockets", reconnect=True)
            return
        self._by_identity[identity.key].add(connection)
        if identity.group is not None:
            self._by_group[identity.group] += 1
        command = self._disconnected.get(identity.key)
        if command is not None and command.at >= connection.opened_at:
            connection.disconnect("remote", reconnect=command.reconnect)

    def start_pings(self, connection: Connection) -> None:
        """After the welcome, which is a socket's first frame."""
        if connection in self.connections:
            self._tickers.add(connection, connection.pings)

    def _excess(self, identity: Identity) -> str | None:
        settings, group = self._settings, identity.group
        if len(self._by_identity.get(identity.key, ())) >= settings.max_sockets_per_identity:
            return f"{identity.key} has {settings.max_sockets_per_identity} sockets already"
        if group and self._by_group.get(group, 0) >= settings.max_sockets_per_group:
            return f"{group} has {settings.max_sockets_per_group} sockets already"
        return None

    def detach(self, connection: Connection) -> None:
        self._tickers.remove(connection)
        self.sessions.remove(connection)
        if connection in self.connections:
            self.connections.discard(connection)
            self._discount(connection)
        if not self.connections:
            self._empty.set()

    def _discount(self, connection: Connection) -> None:
        identity = connection.identity
        served = self._by_identity.get(identity.key)
        if served is None or connection not in served:
            return  # it was refused
        served.discard(connection)
        if not served:
            del self._by_identity[identity.key]
        if identity.group is not None:
            self._by_group[identity.group] -= 1
            if not self._by_group[identity.group]:
                del self._by_group[identity.group]

    async def drain(self) -> None:
        """Ask every socket to reconnect elsewhere, spread over `drain_window`.

        Returns when all are closed and every `unsubscribed` ran, or after `drain_timeout` more.
        A socket that opens meanwhile is told at once.
        """
        self.draining = True
        timers = retire_all(self.connections, self._settings)
        window = self._settings.drain_window + self._settings.drain_timeout
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(window):
                await self._empty.wait()
        for timer in timers:
            timer.cancel()
        if self.connections:
            logger.error("%d sockets did not close while draining", len(self.connections))
        await current_sender().flush(self._settings.broadcast_exit_timeout)
        await self.sessions.close()

    async def close(self) -> None:
        """Stop the hub's tasks and forget it."""
        await self._tickers.close()
        await self.sessions.close()
        await self.presence.close()
        await self.streams.close()
        await self._memberships.close()
        _hubs.pop(asyncio.get_running_loop(), None)

    def _on_message(self, event: Event) -> None:
        if event["type"] == envelope.DISCONNECT:
            self._disconnect(event["identity"], reconnect=event["reconnect"])
        elif "stream" in event:
            self.streams.receive(event)
        else:
            logger.warning("the cable does not know messages of type %.100r", event["type"])

    def _disconnect(self, key: str, *, reconnect: bool) -> None:
        now = asyncio.get_running_loop().time()
        # For those whose check of who they are may have been before it.
        self._disconnected.pop(key, None)
        self._disconnected[key] = _Command(now, reconnect)
        oldest = now - self._settings.authenticate_timeout - self._settings.layer_timeout
        while (first := next(iter(self._disconnected))) != key and (
            self._disconnected[first].at < oldest
            or len(self._disconnected) > self._settings.max_remembered_disconnects
        ):
            del self._disconnected[first]
        for connection in list(self._by_identity.get(key, ())):
            connection.disconnect("remote", reconnect=reconnect)

    def _on_interrupted(self) -> None:
        stats.layer_interruptions += 1
        self.streams.on_interrupted()
