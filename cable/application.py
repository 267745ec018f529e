"""The ASGI application of the cable's WebSocket."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from cable.channel import Channel
from cable.conf import get_settings
from cable.connection import AroundCommand, Authenticate, Connection, Receive
from cable.handshake import Scope, select_subprotocol
from cable.hub import Hub
from cable.outbox import Send


def _nothing_around(connection: Connection) -> AbstractAsyncContextManager[Any]:
    return nullcontext()


class CableApplication:
    """Serves Action Cable on one path.

    A plain ASGI application and not a Channels consumer, because a consumer makes a thread hop
    for every message that it receives or is sent.

    `channels` maps the names that clients subscribe to onto classes. `authenticate(scope, token)`
    returns the `Identity` or raises `Unauthorized`; it runs after the socket is accepted, since
    clients learn a refusal only from a frame. `around_command(connection)` is entered around
    every method of a channel, to bind what the command runs under (the company, a trace).
    """

    def __init__(
        self,
        *,
        channels: Mapping[str, type[Channel]],
        authenticate: Authenticate,
        around_command: AroundCommand = _nothing_around,
    ) -> None:
        self._channels = dict(channels)
        self._authenticate = authenticate
        self._around_command = around_command

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            raise ValueError(f"the cable serves scope type 'websocket', not {scope['type']!r}")
        event = await receive()
        if event["type"] != "websocket.connect":
            return
        await send({"type": "websocket.accept", "subprotocol": select_subprotocol(scope)})
        connection = Connection(
            scope=scope,
            receive=receive,
            send=send,
            hub=Hub.current(),
            settings=get_settings(),
            channels=self._channels,
            around_command=self._around_command,
        )
        await connection.run(self._authenticate)

    async def drain(self) -> None:
        """Close all sockets of this process with `server_restart`; later ones too."""
        await Hub.current().drain()
