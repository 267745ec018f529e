"""A client's end of an ASGI WebSocket, without server and network."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any

from cable import CableApplication

DUE = 2.0


class Socket:
    """Runs the application in a task; a stalled socket's `send` waits, as uvicorn's does."""

    #: Of the session, when the client is an extended one.
    sid: str
    #: Identifiers that need no new subscribe; None where no session was taken up.
    restored: list[str] | None

    def __init__(
        self,
        application: CableApplication,
        *,
        query: str = "",
        extended: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.extended = extended
        self.to_application: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.writable = asyncio.Event()
        self.writable.set()
        self.to_application.put_nowait({"type": "websocket.connect"})
        scope = {
            "type": "websocket",
            "path": "/cable",
            "query_string": query.encode(),
            "headers": [(key.encode(), value.encode()) for key, value in (headers or {}).items()],
            "subprotocols": ["actioncable-v1-ext-json" if extended else "actioncable-v1-json"],
        }
        self.task = asyncio.create_task(application(scope, self.to_application.get, self._send))

    async def _send(self, event: dict[str, Any]) -> None:
        await self.writable.wait()
        if event["type"] == "websocket.close":
            self.to_application.put_nowait({"type": "websocket.disconnect", "code": 1000})
        if event["type"] == "websocket.accept":
            self.subprotocol = event["subprotocol"]
        else:
            self.sent.put_nowait(event)

    async def event(self) -> dict[str, Any]:
        async with asyncio.timeout(DUE):
            return await self.sent.get()

    async def next(self) -> Any:
        """The next frame but pings; the close is the number of its code."""
        while True:
            event = await self.event()
            if event["type"] == "websocket.close":
                return event["code"]
            frame = json.loads(event["text"])
            if frame.get("type") != "ping":
                return frame

    async def be_welcomed(self) -> None:
        """Check the first frame, and keep what it tells."""
        welcome = await self.next()
        if not self.extended:
            assert welcome == {"type": "welcome"}
            return
        self.sid = welcome.pop("sid")
        assert re.fullmatch("[A-Za-z0-9_-]{24}", self.sid)
        self.restored = welcome.pop("restored_ids", None)
        assert welcome == {"type": "welcome"} | (
            {} if self.restored is None else {"restored": True}
        )

    async def quiet(self) -> None:
        """All that the client asked for is answered; nothing but pings is there to read."""
        self.command("subscribe", "no object")
        assert await self.next() == {"type": "reject_subscription", "identifier": "no object"}

    def cut(self) -> None:
        """The connection is lost: the application hears that and nothing else."""
        self.writable.set()
        self.to_application.put_nowait({"type": "websocket.disconnect", "code": 1006})

    def command(self, command: str, identifier: str, **rest: object) -> None:
        text = json.dumps({"command": command, "identifier": identifier, **rest})
        self.to_application.put_nowait({"type": "websocket.receive", "text": text})

    def perform(self, identifier: str, action: str, **data: object) -> None:
        self.command("message", identifier, data=json.dumps({"action": action, **data}))

    async def subscribe(self, identifier: str, **rest: object) -> None:
        self.command("subscribe", identifier, **rest)
        assert await self.next() == {"type": "confirm_subscription", "identifier": identifier}

    async def message(self, identifier: str) -> Any:
        frame = await self.next()
        assert frame["identifier"] == identifier, frame
        return frame["message"]

    async def leave(self) -> None:
        """The peer closes; return when the application is done."""
        self.cut()
        async with asyncio.timeout(DUE):
            await asyncio.wait([self.task])
