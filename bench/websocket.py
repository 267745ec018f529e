"""A WebSocket client that does as little as possible, so that one core drives thousands."""

from __future__ import annotations

import asyncio
import base64
import os
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import msgspec

#: Gets a chunk that was read, where in it a message begins and ends, and when it was read
#: (nanoseconds of the monotonic clock, which all processes of the machine share).
Reader = Callable[[bytes, int, int, int], None]

_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_CABLE_PING = b'{"type":"ping"'


@dataclass(frozen=True)
class Target:
    """What one socket opens: `identifier` None is a server without the cable's protocol."""

    port: int
    path: str
    subprotocol: str | None = None
    identifier: str | None = None
    host: str = "127.0.0.1"


class Socket(asyncio.Protocol):
    """Connects, upgrades, subscribes, then hands every message to its reader.

    `opened` resolves to the seconds from the start of the connection until the subscription is
    confirmed (without an identifier, until the upgrade), or raises `ConnectionError`.
    """

    def __init__(self, target: Target, reader: Reader, on_lost: Callable[[str], None]) -> None:
        self.opened: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._target = target
        self._reader = reader
        self._on_lost = on_lost
        self._read: Callable[[bytes, int, int, int], None] = self._before_welcome
        self._rest = b""
        self._upgraded = False
        self._closing = False
        self._started = time.monotonic_ns()
        self._transport: asyncio.Transport | None = None

    async def open(self) -> float:
        """Connect and wait for `opened`; raises OSError too."""
        loop = asyncio.get_running_loop()
        self._started = time.monotonic_ns()
        await loop.create_connection(lambda: self, "127.0.0.1", self._target.port)
        return await self.opened

    def close(self) -> None:
        """Cut the connection at once."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        lines = [
            f"GET {self._target.path} HTTP/1.1",
            f"Host: {self._target.host}:{self._target.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
        ]
        if self._target.subprotocol is not None:
            lines.append(f"Sec-WebSocket-Protocol: {self._target.subprotocol}")
        self._transport.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    def connection_lost(self, error: Exception | None) -> None:
        if not self._closing:
            self._fail(f"connection lost: {error!r}" if error else "connection closed")

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        if self._rest:
            data = self._rest + data
            self._rest = b""
        at = 0
        if not self._upgraded:
            at = self._upgrade(data)
            if not at:
                return
        size = len(data)
        while size - at >= 2:
            length, body = data[at + 1], at + 2
            if length >= 126:
                body = at + (4 if length == 126 else 10)
                if size < body:
                    break
                length = int.from_bytes(data[at + 2 : body], "big")
            end = body + length
            if end > size:
                break
            if data[at] == 0x80 | _TEXT:
                self._read(data, body, end, now)
            else:
                self._control(data[at], data[body:end])
            at = end
        if at < size:
            self._rest = data[at:]

    # The steps until it is open

    def _upgrade(self, data: bytes) -> int:
        """Where frames begin in `data`; 0 as long as there is none."""
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._rest = data
            return 0
        status = data[: data.find(b"\r\n")].decode("latin-1")
        if not status.startswith("HTTP/1.1 101"):
            self._fail(f"refused: {status}")
            self.close()
            return 0
        self._upgraded = True
        if self._target.identifier is None:
            self._become_open()
        return end + 4

    def _before_welcome(self, data: bytes, start: int, end: int, now: int) -> None:
        if data.startswith(b'{"type":"welcome"', start):
            self._read = self._before_answer
            self._send(_TEXT, msgspec.json.encode(self._subscribe_command()))
        else:
            self._unexpected(data, start, end)

    def _subscribe_command(self) -> dict[str, object]:
        return {"command": "subscribe", "identifier": self._target.identifier}

    def _before_answer(self, data: bytes, start: int, end: int, now: int) -> None:
        if data.find(b'"type":"confirm_subscription"', start, end) >= 0:
            self._become_open()
        else:
            self._unexpected(data, start, end)

    def _become_open(self) -> None:
        self._read = self._reader if self._target.identifier is None else self._when_open
        if not self.opened.done():
            self.opened.set_result((time.monotonic_ns() - self._started) / 1e9)

    def _when_open(self, data: bytes, start: int, end: int, now: int) -> None:
        if data.startswith(b'{"type":', start):
            self._unexpected(data, start, end)
        else:
            self._reader(data, start, end, now)

    def _unexpected(self, data: bytes, start: int, end: int) -> None:
        if not data.startswith(_CABLE_PING, start):
            self._fail(f"told {data[start:end].decode(errors='replace')[:200]}")
            self.close()

    def _control(self, first: int, payload: bytes) -> None:
        if first == 0x80 | _PING:
            self._send(_PONG, payload)
        elif first != 0x80 | _PONG:
            kind = "a close" if first == 0x80 | _CLOSE else f"a frame that begins {first:#x}"
            self._fail(f"told {kind} {payload[:100]!r}")
            self.close()

    def _fail(self, why: str) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(why))
        elif not self._closing:
            self._on_lost(why)

    def _send(self, opcode: int, payload: bytes) -> None:
        # Clients must mask; under a mask of zeros the payload stays as it is.
        size = len(payload)
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | size) if size < 126 else b""
        head = head or struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
        if self._transport is not None:
            self._transport.write(head + b"\0\0\0\0" + payload)
