"""Fan-out: one per process and event loop, between the channel layer and the local sockets."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from cable import envelope, protocol
from cable.conf import CableSettings, get_settings
from cable.envelope import Event
from cable.errors import StreamUnavailable
from cable.layer import ChannelLayer, find_layer
from cable.membership import Memberships
from cable.streams import CONTROL_GROUP, check_stream, group_name
from cable.subscription import Subscription
from cable.ticker import Ticker

if TYPE_CHECKING:
    from cable.connection import Connection

logger = logging.getLogger(__name__)

_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def serving_loop() -> asyncio.AbstractEventLoop | None:
    """A running event loop of this process on which a hub serves."""
    for loop in list(_hubs):
        if loop.is_running():
            return loop
    return None


def forget_hubs() -> None:
    """In a forked child: the parent's loops look alive but never run here."""
    _hubs.clear()


class Hub:
    """Delivers streams to subscriptions.

    It owns one channel of the layer and joins a stream's group when the first local
    subscription wants it, so a broadcast costs one message per process however many sockets
    listen. Each message is encoded once per (stream, identifier); handing it to the sockets is
    a plain loop over queues: no thread, no task and no await per socket.
    """

    def __init__(self, layer: ChannelLayer, settings: CableSettings) -> None:
        self.connections: set[Connection] = set()
        self.draining = False
        self._settings = settings
        # Stream → identifier → subscriptions; those of one identifier share a frame.
        self._listeners: dict[str, dict[str, set[Subscription]]] = {}
        self._memberships = Memberships(
            layer, settings, on_message=self._on_message, on_interrupted=self._on_interrupted
        )
        self._ticker = Ticker(settings.ping_interval)
        self._empty = asyncio.Event()

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
            hub = _hubs[loop] = cls(find_layer(settings.layer), settings)
        return hub

    @property
    def round_trip(self) -> float | None:
        """Seconds of the last probe through the layer; None before the first."""
        return self._memberships.round_trip

    def now(self) -> float:
        """The UNIX time."""
        return time.time()

    async def attach(self, connection: Connection) -> None:
        """Serve an authenticated socket: pings, and commands to its user.

        On return this process hears those commands, unless the layer is down.
        """
        self.connections.add(connection)
        self._empty.clear()
        self._memberships.start()
        try:
            await self._memberships.join(CONTROL_GROUP)
        except StreamUnavailable as error:
            logger.warning("%r is served without the channel layer: %s", connection, error)
        self._ticker.add(connection)
        if self.draining:
            connection.disconnect("server_restart", reconnect=True)

    def detach(self, connection: Connection) -> None:
        self._ticker.remove(connection)
        self.connections.discard(connection)
        if not self.connections:
            self._empty.set()

    async def join(self, stream: str, subscription: Subscription) -> None:
        """Deliver a stream to a subscription; complete from the moment of return.

        Raises:
            ValueError: not a valid name of a stream.
            StreamUnavailable: the channel layer is down.
        """
        check_stream(stream)
        if stream in subscription.streams:
            return
        subscription.streams.add(stream)
        listeners = self._listeners.setdefault(stream, {})
        listeners.setdefault(subscription.identifier, set()).add(subscription)
        try:
            self._memberships.start()
            await self._memberships.join(group_name(stream))
        except BaseException:
            self.leave(stream, subscription)
            raise

    def leave(self, stream: str, subscription: Subscription) -> None:
        """Stop delivering a stream to a subscription, at once."""
        if stream not in subscription.streams:
            return
        subscription.streams.discard(stream)
        listeners = self._listeners[stream]
        same_identifier = listeners[subscription.identifier]
        same_identifier.discard(subscription)
        if not same_identifier:
            del listeners[subscription.identifier]
        if not listeners:
            del self._listeners[stream]
            self._memberships.leave(group_name(stream))

    def leave_all(self, subscription: Subscription) -> None:
        for stream in list(subscription.streams):
            self.leave(stream, subscription)

    async def drain(self) -> None:
        """Ask every socket to reconnect elsewhere; wait until all are closed, or the timeout."""
        self.draining = True
        for connection in list(self.connections):
            connection.disconnect("server_restart", reconnect=True)
        if self.connections:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.drain_timeout):
                    await self._empty.wait()
        if self.connections:
            logger.error("%d sockets did not close while draining", len(self.connections))

    async def close(self) -> None:
        """Stop the hub's tasks and forget it."""
        await self._ticker.close()
        await self._memberships.close()
        _hubs.pop(asyncio.get_running_loop(), None)

    def _on_message(self, event: Event) -> None:
        if event["type"] == envelope.MESSAGE:
            self._deliver(event["stream"], event["message"])
        elif event["type"] == envelope.DISCONNECT:
            for connection in list(self.connections):
                if connection.identity.key == event["identity"]:
                    connection.disconnect("remote", reconnect=event["reconnect"])
        else:
            logger.warning("the hub does not know messages of type %.100r", event["type"])

    def _deliver(self, stream: str, encoded: str) -> None:
        for subscriptions in self._listeners.get(stream, {}).values():
            frame = None
            for subscription in subscriptions:
                if frame is None:
                    frame = protocol.message(subscription.prefix, encoded)
                subscription.deliver(frame)

    def _on_interrupted(self) -> None:
        concerned = {
            subscription
            for listeners in self._listeners.values()
            for subscriptions in listeners.values()
            for subscription in subscriptions
        }
        logger.warning("%d subscriptions take a new state", len(concerned))
        for subscription in concerned:
            subscription.resync()
