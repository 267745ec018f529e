"""The official npm clients, unmodified, against both servers."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.conformance.client import DUE, QUIET
from tests.conformance.polling import wait_for
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

    async def nothing(self) -> None:
        try:
            event = await self.next(within=QUIET)
        except TimeoutError:
            return
        raise AssertionError(f"unexpected {event}")

    async def subscribe(self, channel: str, **params: object) -> None:
        """Subscribe under the name `a`."""
        await self.do("subscribe", name="a", channel=channel, params=params)

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
    """Starts a driver whose client connects to the shared server."""
    async with AsyncExitStack() as stack:

        async def start_(name: Name, query: str = "", **options: object) -> Driver:
            process = await asyncio.create_subprocess_exec(
                node, "driver.mjs", cwd=CLIENTS, stdin=PIPE, stdout=PIPE
            )
            driver = Driver(process)
            stack.push_async_callback(driver.close)
            await driver.do("connect", client=name, url=server.url + query, **options)
            if name == "anycable" and "refreshedToken" not in options:
                await driver.expect({"event": "connect", "reconnect": False})
            return driver

        yield start_


def both(
    scenario: Callable[[Name, Start, CableServer, str], Awaitable[None]],
) -> Callable[[Start, CableServer, str], Awaitable[None]]:
    """Run a scenario with both clients at the same time: most of it is waiting."""

    async def test(start: Start, server: CableServer, unique: str) -> None:
        names: list[Name] = ["anycable", "rails"]
        await asyncio.gather(*(scenario(name, start, server, unique + name) for name in names))

    test.__name__ = scenario.__name__
    return test


def connected(*, reconnect: bool = False) -> dict[str, Any]:
    return {"event": "connected", "name": "a", "reconnect": reconnect}


def message(content: object) -> dict[str, Any]:
    return {"event": "message", "name": "a", "message": content}


@both
async def test_subscribe_receive_perform_leave_and_come_again(
    name: Name, start: Start, server: CableServer, unique: str
) -> None:
    driver = await start(name, f"?jid={unique}")
    # Parameters in an order that is not sorted: Rails' client keeps it, AnyCable's sorts.
    params = {"zebra": 1, "streams": [unique], "apple": {"é": "ü"}}
    for round_ in range(2):
        await driver.subscribe("StreamChannel", **params)
        await driver.expect(connected())
        server.post("broadcast", stream=unique, message={"n": 1})
        await driver.expect(message({"n": 1}))
        await driver.do("perform", name="a", action="shout", data={"stream": unique, "text": "hi"})
        await driver.expect(message({"shout": "hi"}))
        await driver.do("unsubscribe", name="a")
        if name == "anycable":
            await driver.expect({"event": "closed", "name": "a"})
        # Nothing acknowledges an unsubscribe: the test waits for the channel's callback.
        await wait_for(partial(_left, server, unique, times=round_ + 1))
        server.post("broadcast", stream=unique, message={"n": 2})
        await driver.nothing()


def _left(server: CableServer, key: str, *, times: int) -> bool:
    return len(server.events(key)) == times


@both
async def test_state_comes_first_then_changes(
    name: Name, start: Start, server: CableServer, unique: str
) -> None:
    driver = await start(name)
    await driver.subscribe("SnapshotChannel", stream=unique)
    changes = [message({"change": number}) for number in range(3)]
    await driver.expect(connected(), message({"snapshot": unique}), *changes)


@both
async def test_rejection(name: Name, start: Start, server: CableServer, unique: str) -> None:
    driver = await start(name)
    await driver.subscribe("RejectChannel", stream=unique)
    await driver.expect({"event": "rejected", "name": "a"})


@both
async def test_slow_subscribe_is_confirmed_once_though_rails_repeats_it(
    name: Name, start: Start, server: CableServer, unique: str
) -> None:
    driver = await start(name)
    await driver.subscribe("SlowChannel", seconds=0.6)
    await driver.expect(connected())
    await driver.nothing()


@both
async def test_client_comes_back_after_a_cut_and_receives_again(
    name: Name, start: Start, server: CableServer, unique: str
) -> None:
    driver = await start(name)
    await driver.subscribe("StreamChannel", streams=[unique])
    await driver.expect(connected())
    await driver.do("cut")
    await driver.expect({"event": "disconnected", "name": "a"})
    if name == "anycable":
        await driver.expect(
            {"event": "disconnect", "reason": "transport_closed"},
            {"event": "connect", "reconnect": True},
        )
    # Rails' client counts only the attempts of its own poll as reconnecting.
    await driver.expect(connected(reconnect=name == "anycable"))
    server.post("broadcast", stream=unique, message={"n": 1})
    await driver.expect(message({"n": 1}))
    await driver.nothing()


@both
async def test_disconnect_with_reconnect_brings_the_client_back(
    name: Name, start: Start, server: CableServer, unique: str
) -> None:
    driver = await start(name, f"?jid={unique}")
    await driver.subscribe("StreamChannel", streams=[unique])
    await driver.expect(connected())
    server.post("disconnect", key=unique, reconnect=True)
    if name == "rails":
        await driver.expect({"event": "disconnected", "name": "a"})
        return  # its next attempt is seconds away, and the cut above has shown it
    await driver.expect(
        {"event": "disconnected", "name": "a"},
        {"event": "disconnect", "reason": "remote"},
        {"event": "connect", "reconnect": True},
        connected(reconnect=True),
    )


@both
async def test_disconnect_without_reconnect_is_final(
    name: Name, start: Start, server: CableServer, unique: str
) -> None:
    driver = await start(name, f"?jid={unique}")
    await driver.subscribe("StreamChannel", streams=[unique])
    await driver.expect(connected())
    server.post("disconnect", key=unique, reconnect=False)
    if name == "rails":
        await driver.expect({"event": "disconnected for ever", "name": "a"})
    else:
        await driver.expect(
            {"event": "disconnected", "name": "a"}, {"event": "close", "reason": "remote"}
        )
    await driver.nothing()


@pytest.mark.parametrize("strategy", ["param", "header", "sub-protocol"])
async def test_token_of_each_strategy_is_accepted(start: Start, strategy: str, unique: str) -> None:
    driver = await start("anycable", "?need=token", token=unique, tokenStrategy=strategy)
    await driver.subscribe("RequestChannel")
    await driver.expect(connected())
    event = await driver.next()
    assert event["message"]["key"] == unique


async def test_expired_token_is_refreshed_at_connect(start: Start, unique: str) -> None:
    driver = await start("anycable", token=f"{unique}@1000", refreshedToken=unique)
    await driver.expect({"event": "close", "reason": "token_expired"})
    await driver.expect({"event": "connect", "reconnect": False})
    await driver.subscribe("RequestChannel")
    await driver.expect(connected())
    assert (await driver.next())["message"]["key"] == unique


async def test_token_that_expires_on_an_open_socket_is_refreshed(
    start: Start, server: CableServer, unique: str
) -> None:
    token = f"{unique}@{time.time() + 1.2}"
    driver = await start("anycable", token=token, refreshedToken=unique)
    await driver.expect({"event": "connect", "reconnect": False})
    await driver.subscribe("StreamChannel", streams=[unique])
    await driver.expect(
        connected(),
        {"event": "disconnected", "name": "a"},
        {"event": "close", "reason": "token_expired"},
        {"event": "connect", "reconnect": False},
    )
    event = await driver.next()
    assert (event["event"], event["name"]) == ("connected", "a")
    server.post("broadcast", stream=unique, message={"n": 1})
    await driver.expect(message({"n": 1}))
