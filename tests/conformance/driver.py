"""The official npm clients in Node processes of their own, driven by the tests."""

from __future__ import annotations

import asyncio
import json
import shutil
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.conformance.client import DUE, QUIET
from tests.conformance.server import CableServer

CLIENTS = Path(__file__).parent / "clients"
Name = Literal["anycable", "rails"]


class Driver:
    """A Node process with one client; see clients/driver.mjs."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def do(self, order: str, **details: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": order, **details}).encode() + b"\n")
        await self._process.stdin.drain()

    async def next(self, within: float = DUE) -> dict[str, Any]:
        """What the client's callbacks report next."""
        assert self._process.stdout is not None
        async with asyncio.timeout(within):
            line = await self._process.stdout.readline()
        assert line, "the driver ended"
        event: dict[str, Any] = json.loads(line)
        return event

    async def expect(self, *events: dict[str, Any]) -> None:
        for event in events:
            assert await self.next() == event

    async def until(self, event: dict[str, Any], within: float = DUE) -> list[dict[str, Any]]:
        """What is reported up to and with this event."""
        events = []
        async with asyncio.timeout(within):
            while not events or events[-1] != event:
                events.append(await self.next(within))
        return events

    async def nothing(self, seconds: float = QUIET) -> None:
        try:
            event = await self.next(within=seconds)
        except TimeoutError:
            return
        raise AssertionError(f"unexpected {event}")

    async def subscribe(self, channel: str, *, name: str = "a", **params: object) -> None:
        await self.do("subscribe", name=name, channel=channel, params=params)

    async def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()


Start = Callable[..., Awaitable[Driver]]


@pytest.fixture(scope="module")
def node() -> str:
    """The Node program; the clients must be installed."""
    program = shutil.which("node")
    if program is None:
        pytest.fail("no `node` on PATH; run the tests with ./dev test, which brings one")
    if not (CLIENTS / "node_modules").is_dir():
        pytest.fail(f"the clients are not installed; run: npm ci --prefix {CLIENTS}")
    return program


@pytest.fixture
async def start(node: str, server: CableServer) -> AsyncIterator[Start]:
    """Starts a driver whose client connects to the shared server, or to another."""
    async with AsyncExitStack() as stack:

        async def start_(
            name: Name, query: str = "", *, to: CableServer = server, **options: object
        ) -> Driver:
            process = await asyncio.create_subprocess_exec(
                node, "driver.mjs", cwd=CLIENTS, stdin=PIPE, stdout=PIPE
            )
            driver = Driver(process)
            stack.push_async_callback(driver.close)
            await driver.do("connect", client=name, url=to.url + query, **options)
            if name == "anycable" and "refreshedToken" not in options:
                await driver.expect({"event": "connect", "reconnect": False})
            return driver

        yield start_


def connected(name: str = "a", **kind: bool) -> dict[str, Any]:
    """The channel is subscribed; `kind` as the client tells it: `reconnect`, `restored`."""
    return {"event": "connected", "name": name, "reconnect": False, **kind}


def message(content: object, *, name: str = "a", **position: object) -> dict[str, Any]:
    """The application got a message; `position` is `stream` and `offset`, of extended clients."""
    return {"event": "message", "name": name, "message": content, **position}
