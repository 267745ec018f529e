"""A phone's HTTP/1.1 at the least cost: whole requests as bytes, answers by their length."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

#: Called with the status (0: none came), the whole answer, and the monotonic clock's nanoseconds.
Answered = Callable[[int, bytes, int], None]

_LENGTH = b"content-length:"


@dataclass(frozen=True)
class Phone:
    """Who uploads: company and technician by their numbers from 0, and the path's address."""

    company: int
    technician: int
    host: str
    path: str
    token: str

    @property
    def head(self) -> bytes:
        """The request but for the body's length and the body."""
        lines = (
            f"POST {self.path} HTTP/1.1",
            f"Host: {self.host}",
            f"Authorization: Bearer {self.token}",
            "Content-Type: application/json",
            "Content-Length: ",
        )
        return "\r\n".join(lines).encode()


class Line:
    """One request under way at a time, on a connection that is opened anew when it was closed."""

    def __init__(self, port: int, answered: Answered) -> None:
        self._port = port
        self._answered = answered
        self._connection: _Connection | None = None
        self._opening: asyncio.Task[None] | None = None
        self._request: bytes | None = None

    def send(self, request: bytes) -> None:
        """`answered` is called once for it, whatever happens."""
        self._request = request
        if self._connection is not None:
            self._connection.write(request)
        else:
            self._opening = asyncio.create_task(self._open_and_send())

    async def connect(self) -> None:
        """Open it before there is something to send; raises OSError."""
        if self._connection is None:
            loop = asyncio.get_running_loop()
            _, self._connection = await loop.create_connection(
                lambda: _Connection(self), "127.0.0.1", self._port
            )

    def close(self) -> None:
        """Cut the connection; what is under way gets no answer."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

    def settle(self, status: int, answer: bytes, now: int) -> None:
        if self._request is not None:
            self._request = None
            self._answered(status, answer, now)

    def lost(self, connection: _Connection, why: str) -> None:
        """A connection that we had not closed has ended."""
        if self._connection is connection:
            self._connection = None
            self.settle(0, why.encode(), time.monotonic_ns())

    async def _open_and_send(self) -> None:
        try:
            await self.connect()
        except OSError as error:
            self.settle(0, str(error).encode(), time.monotonic_ns())
        else:
            if self._connection is not None and self._request is not None:
                self._connection.write(self._request)


class _Connection(asyncio.Protocol):
    def __init__(self, line: Line) -> None:
        self._line = line
        self._transport: asyncio.Transport | None = None
        self._rest = b""

    def write(self, request: bytes) -> None:
        if self._transport is not None:
            self._transport.write(request)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._line.lost(self, repr(error) if error else "closed without an answer")

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        if self._rest:
            data, self._rest = self._rest + data, b""
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._rest = data
            return
        head = data[:end].lower()
        at = head.find(_LENGTH)
        if at < 0:
            self._line.close()
            self._line.settle(0, data, now)
            return
        length = int(head[at + len(_LENGTH) :].partition(b"\r\n")[0])
        if len(data) < end + 4 + length:
            self._rest = data
            return
        if b"connection: close" in head:
            self._line.close()
        self._line.settle(int(data[9:12]), data, now)
