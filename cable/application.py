"""The ASGI application of the cable's WebSocket."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from cable.channel import Channel
from cable.conf import get_settings
from cable.connection import AroundCommand, Authenticate, Connection, Hook, Receive
from cable.handshake import Scope, select_subprotocol
from cable.hub import Hub
from cable.layer import find_layer
from cable.outbox import Send
from cable.protocol import EXTENDED_SUBPROTOCOL
from cable.store import get_store


def _nothing_around(connection: Connection, command: str) -> AbstractAsyncContextManager[Any]:
    return nullcontext()


async def _nothing(connection: Connection) -> None:
    pass


class CableApplication:
    """Serves Action Cable on one path.

    A plain ASGI application and not a Channels consumer, because a consumer makes a thread hop
    for every message that it receives or is sent.

    `channels` maps the names that clients subscribe to onto classes. `authenticate(scope, token)`
    returns the `Identity` or raises `Unauthorized`; it runs after the socket is accepted, since
    clients learn a refusal only from a frame. `connected(connection)` runs before the client is
    welcomed (it may raise `Unauthorized` too), `disconnected(connection)` after the last
    `unsubscribed`. `around_command(connection, command)` is entered around these and around every
    method of a channel, to bind what they run under (the company, a trace); the command is
    "connect", "subscribe", "message", "presence", "resync", "unsubscribe" or "disconnect".

    Raises ImproperlyConfigured for a setting `CABLE` or `CHANNEL_LAYERS` that cannot work, and for
    channels that are none.
    """

    def __init__(
        self,
        *,
        channels: Mapping[str, type[Channel]],
        authenticate: Authenticate,
        around_command: AroundCommand = _nothing_around,
        connected: Hook = _nothing,
        disconnected: Hook = _nothing,
    ) -> None:
        # A mistake in the settings is better told now than to the first client.
        find_layer(get_settings().layer)
        get_store()
        for name, value in channels.items():
            if not (isinstance(value, type) and issubclass(value, Channel)):
                raise ImproperlyConfigured(
                    f"channels[{name!r}] = {value!r}: must be a subclass of cable.Channel"
                )
        self._channels = dict(channels)
        self._authenticate = authenticate
        self._around_command = around_command
        self._connected = connected
        self._disconnected = disconnected

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            raise ValueError(f"the cable serves scope type 'websocket', not {scope['type']!r}")
        event = await receive()
        if event["type"] != "websocket.connect":
            return
        subprotocol = select_subprotocol(scope)
        await send({"type": "websocket.accept", "subprotocol": subprotocol})
        connection = Connection(
            scope=scope,
            receive=receive,
            send=send,
            hub=Hub.current(),
            settings=get_settings(),
            channels=self._channels,
            around_command=self._around_command,
            connected=self._connected,
            disconnected=self._disconnected,
            extended=subprotocol == EXTENDED_SUBPROTOCOL,
        )
        await connection.run(self._authenticate)

    async def drain(self) -> None:
        """Ask all sockets of this process to go elsewhere, over a while; later ones at once."""
        await Hub.current().drain()
