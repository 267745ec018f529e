"""`connected`, `disconnected`, and `around_command` around all that runs for a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cable import Connection, Identity, Scope, Unauthorized, action
from cable.hub import Hub
from tests.cable.channels import Streams, identifier
from tests.cable.conftest import Open
from tests.cable.polling import until

A = identifier("plain", name="a")
B = identifier("plain", name="b")


class Log:
    """What ran, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.gate = asyncio.Event()

    async def connected(self, connection: Connection) -> None:
        self.lines.append(f"connected {connection.identity.key}")

    async def disconnected(self, connection: Connection) -> None:
        self.lines.append(f"disconnected {connection.identity.key}")

    @asynccontextmanager
    async def around(self, connection: Connection, command: str) -> AsyncIterator[None]:
        self.lines.append(f"<{command}>")
        try:
            yield
        finally:
            self.lines.append(f"</{command}>")


log: Log


class Noting(Streams):
    async def subscribed(self) -> None:
        log.lines.append(f"subscribed {self.params['name']}")
        await super().subscribed()

    async def unsubscribed(self) -> None:
        log.lines.append(f"unsubscribed {self.params['name']}")

    async def resync(self) -> None:
        log.lines.append(f"resync {self.params['name']}")

    @action
    async def act(self) -> None:
        log.lines.append(f"act {self.params['name']}")


@pytest.fixture(autouse=True)
def new_log() -> None:
    global log
    log = Log()


CHANNELS: dict[str, type[Streams]] = {"Streams": Noting}


async def test_all_that_runs_is_inside_of_a_command_in_order(hub: Hub, open_socket: Open) -> None:
    socket = await open_socket(
        CHANNELS,
        around=log.around,
        connected=log.connected,
        disconnected=log.disconnected,
        query="jid=ann",
    )
    assert log.lines == ["<connect>", "connected ann", "</connect>"]
    await socket.subscribe(A)
    socket.perform(A, "act")
    await socket.subscribe(B)
    hub._on_interrupted()
    await until(lambda: log.lines[-2:] == ["resync b", "</resync>"])
    socket.command("unsubscribe", A)
    await socket.quiet()
    await socket.leave()
    assert log.lines[3:] == [
        *("<subscribe>", "subscribed a", "</subscribe>"),
        *("<message>", "act a", "</message>"),
        *("<subscribe>", "subscribed b", "</subscribe>"),
        *("<resync>", "resync a", "</resync>"),
        *("<resync>", "resync b", "</resync>"),
        *("<unsubscribe>", "unsubscribed a", "</unsubscribe>"),
        *("<unsubscribe>", "unsubscribed b", "</unsubscribe>"),
        *("<disconnect>", "disconnected ann", "</disconnect>"),
    ]


async def test_who_is_present_is_decided_inside_of_a_command(hub: Hub, open_socket: Open) -> None:
    class Present(Noting):
        async def subscribed(self) -> None:
            await self.stream_from("stream", presence=True)

        def presence_of(self, id: str, info: Any) -> tuple[str, Any] | None:  # noqa: A002
            log.lines.append(f"presence of {id}")
            return id, info

    socket = await open_socket(
        {"Streams": Present}, around=log.around, query="jid=ann", extended=True
    )
    socket.command("subscribe", A, presence={"id": "1"})
    await until(lambda: log.lines[-1:] == ["</presence>"])
    socket.command("join", A, presence={"id": "1"})
    await until(lambda: log.lines.count("</presence>") == 2)
    assert log.lines[2:] == [
        *("<subscribe>", "</subscribe>"),
        *("<presence>", "presence of 1", "</presence>"),
        *("<presence>", "presence of 1", "</presence>"),
    ]


async def refuse(connection: Connection) -> None:
    raise Unauthorized("token_expired")


async def fail(connection: Connection) -> None:
    raise LookupError("a bug")


async def hang(connection: Connection) -> None:
    await asyncio.Event().wait()


async def test_connected_may_refuse(hub: Hub, open_socket: Open) -> None:
    socket = await open_socket(
        connected=refuse, disconnected=log.disconnected, welcomed=False, extended=True
    )
    assert await socket.next() == {
        "type": "disconnect",
        "reason": "token_expired",
        "reconnect": False,
    }
    assert await socket.next() == 1000
    await asyncio.wait([socket.task])
    assert log.lines == []
    assert hub.connections == set()


async def test_around_command_may_refuse_the_connection(open_socket: Open) -> None:
    @asynccontextmanager
    async def suspended(connection: Connection, command: str) -> AsyncIterator[None]:
        log.lines.append(command)
        raise Unauthorized
        yield

    socket = await open_socket(around=suspended, connected=log.connected, welcomed=False)
    assert await socket.next() == {
        "type": "disconnect",
        "reason": "unauthorized",
        "reconnect": False,
    }
    await asyncio.wait([socket.task])
    assert log.lines == ["connect"]


@pytest.mark.parametrize("hook", [fail, hang])
async def test_connected_that_fails_closes_without_a_frame_so_that_clients_come_back(
    open_socket: Open, hook: Callable[[Connection], Awaitable[None]]
) -> None:
    socket = await open_socket(connected=hook, disconnected=log.disconnected, welcomed=False)
    socket.command("subscribe", A)
    assert await socket.next() == 4011
    await asyncio.wait([socket.task])
    assert log.lines == []
    assert Streams.calls == []


@pytest.mark.parametrize("hook", [fail, hang])
async def test_disconnected_that_fails_is_logged_and_ends_nothing(
    hub: Hub,
    open_socket: Open,
    caplog: pytest.LogCaptureFixture,
    hook: Callable[[Connection], Awaitable[None]],
) -> None:
    socket = await open_socket(disconnected=hook, query="jid=ann")
    await socket.leave()
    assert "<socket of ann>: `disconnected` failed" in caplog.text
    assert socket.task.exception() is None
    assert hub.connections == set()


async def test_who_is_sent_away_while_it_connects_still_disconnects(
    hub: Hub, open_socket: Open
) -> None:
    async def connected(connection: Connection) -> None:
        await log.connected(connection)
        await log.gate.wait()

    socket = await open_socket(
        connected=connected, disconnected=log.disconnected, query="jid=ann", welcomed=False
    )
    await until(lambda: log.lines)
    (connection,) = hub.connections
    connection.disconnect("remote", reconnect=True)
    log.gate.set()
    assert await socket.next() == {"type": "disconnect", "reason": "remote", "reconnect": True}
    assert await socket.next() == 1000
    await asyncio.wait([socket.task])
    assert log.lines == ["connected ann", "disconnected ann"]


async def test_who_leaves_while_it_connects_still_disconnects(hub: Hub, open_socket: Open) -> None:
    async def connected(connection: Connection) -> None:
        await log.connected(connection)
        await log.gate.wait()

    socket = await open_socket(
        connected=connected, disconnected=log.disconnected, query="jid=ann", welcomed=False
    )
    await until(lambda: log.lines)
    socket.cut()
    log.gate.set()
    await asyncio.wait([socket.task])
    assert log.lines == ["connected ann", "disconnected ann"]
    assert hub.connections == set()


async def test_who_is_not_authenticated_meets_no_hook(open_socket: Open) -> None:
    async def nobody(scope: Scope, token: str | None) -> Identity:
        raise Unauthorized

    socket = await open_socket(
        authenticate=nobody,
        around=log.around,
        connected=log.connected,
        disconnected=log.disconnected,
        welcomed=False,
    )
    assert await socket.next() == {
        "type": "disconnect",
        "reason": "unauthorized",
        "reconnect": False,
    }
    await asyncio.wait([socket.task])
    assert log.lines == []
