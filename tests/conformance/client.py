"""A raw client: one WebSocket, frames compared as JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

#: A frame that is due comes within this (seconds).
DUE = 5.0
#: Nothing more comes within this (seconds).
QUIET = 0.25

BASE = ("actioncable-v1-json", "actioncable-unsupported")
EXTENDED = ("actioncable-v1-ext-json",)

Frame = dict[str, Any]


def identifier(channel: str, **params: object) -> str:
    return json.dumps({"channel": channel, **params})


class Client:
    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.welcome: Frame = {}

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        subprotocols: Sequence[str] = BASE,
    ) -> Self:
        """Open a socket without reading its first frame."""
        socket = await connect(
            url,
            additional_headers=headers,
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            max_size=None,
            # Else frames that nobody asked for yet keep a close frame behind them from being read.
            max_queue=None,
            ping_interval=None,
        )
        return cls(socket)

    @classmethod
    async def welcomed(cls, url: str, **options: Any) -> Self:
        client = await cls.open(url, **options)
        assert await client.next() == {"type": "welcome"}
        return client

    @classmethod
    async def extended(cls, url: str, **options: Any) -> Self:
        """Open a socket of the extended protocol; its `welcome` is kept."""
        client = await cls.open(url, subprotocols=EXTENDED, **options)
        client.welcome = await client.next()
        assert client.welcome["type"] == "welcome", client.welcome
        return client

    async def send(self, **command: object) -> None:
        await self.socket.send(json.dumps(command))

    async def next(self, *, pings: bool = False, within: float = DUE) -> Frame:
        """The next frame, without pings unless they are asked for."""
        async with asyncio.timeout(within):
            while True:
                frame: Frame = json.loads(await self.socket.recv())
                if pings or frame.get("type") != "ping":
                    return frame

    async def nothing(self, seconds: float = QUIET) -> None:
        """Assert that no frame but pings comes."""
        try:
            frame = await self.next(within=seconds)
        except TimeoutError:
            return
        raise AssertionError(f"unexpected frame {frame}")

    async def closed(self) -> int | None:
        """Wait for the close; its code. Frames on the way but pings are an error."""
        try:
            frame = await self.next()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None
        raise AssertionError(f"unexpected frame {frame}")

    async def close(self) -> None:
        await self.socket.close()

    async def cut(self) -> None:
        """Lose the connection, as a phone in a lift: no close frame."""
        self.socket.transport.abort()
        await self.socket.wait_closed()

    async def subscribe(self, identifier: str) -> None:
        """Subscribe and read the confirmation."""
        await self.send(command="subscribe", identifier=identifier)
        assert await self.next() == {"type": "confirm_subscription", "identifier": identifier}

    async def perform(self, identifier: str, action: str | None = None, **data: object) -> None:
        if action is not None:
            data = {"action": action, **data}
        await self.send(command="message", identifier=identifier, data=json.dumps(data))

    async def message(self, identifier: str) -> Any:
        """The next frame, which must be a message of this identifier; its content."""
        frame = await self.next()
        assert frame.keys() == {"identifier", "message"}, frame
        assert frame["identifier"] == identifier
        return frame["message"]

    async def positioned(self, identifier: str, stream: str) -> tuple[Any, str, int]:
        """The next frame, which must be a message with a position: content, epoch, offset."""
        frame = await self.next()
        expected = {"identifier", "message", "stream_id", "epoch", "offset"}
        assert frame.keys() == expected, frame
        assert (frame["identifier"], frame["stream_id"]) == (identifier, stream)
        return frame["message"], frame["epoch"], frame["offset"]
