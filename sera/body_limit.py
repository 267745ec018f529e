"""A bound on what a request may bring, before Django stores it.

Django reads a whole body, onto the disk if it is large, before a view or an authentication runs.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Receive, Send], Awaitable[None]]


class _TooLarge(Exception):
    pass


class BodyLimit:
    """ASGI middleware: answers 413 to a body over `max_bytes`, declared or not."""

    def __init__(self, application: Application, *, max_bytes: int) -> None:
        self._application = application
        self._max_bytes = max_bytes

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        for name, declared in scope["headers"]:
            if name == b"content-length" and declared.isdigit():
                # The server reads no more than was declared.
                if int(declared[:20]) > self._max_bytes:
                    await self._refuse(send, f"{declared[:20].decode()} bytes")
                else:
                    await self._application(scope, receive, send)
                return
        received = 0
        started = False

        async def counted_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_bytes:
                raise _TooLarge
            return message

        async def noticed_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._application(scope, counted_receive, noticed_send)
        except _TooLarge:
            if not started:
                await self._refuse(send, f"more than {self._max_bytes} bytes")

    async def _refuse(self, send: Send, value: str) -> None:
        error = {
            "field": "body",
            "value": value,
            "message": f"may be at most {self._max_bytes} bytes",
        }
        body = json.dumps({"errors": [error]}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),  # what is left of the body is not read
        ]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": body})
