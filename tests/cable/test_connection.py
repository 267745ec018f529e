"""The life of one socket, where a network would hide what happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import pytest
from pytest_django import Settings

from cable import (
    Channel,
    Connection,
    Identity,
    Scope,
    StreamUnavailable,
    Unauthorized,
    abroadcast,
    action,
)
from cable.hub import Hub
from tests.cable.conftest import Open
from tests.cable.polling import until

A = '{"channel":"A"}'
company: ContextVar[str] = ContextVar("company", default="nobody")


class Recorder(Channel):
    """Records its calls; fails where its class attributes say so."""

    calls: list[str]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.calls = []

    def note(self, call: str) -> None:
        self.calls.append(f"{call} for {company.get()}")

    async def subscribed(self) -> None:
        self.note("subscribed")
        await self.stream_from("plain")

    async def unsubscribed(self) -> None:
        self.note("unsubscribed")

    async def resync(self) -> None:
        self.note("resync")
        self.transmit({"resync": 1})

    @action
    async def act(self) -> None:
        self.note("act")
        self.transmit({"acted": 1})


@asynccontextmanager
async def bind(connection: Connection, command: str) -> AsyncIterator[None]:
    token = company.set(connection.identity.key)
    yield
    company.reset(token)


async def test_around_command_wraps_every_method_and_ends_with_it(
    hub: Hub, open_socket: Open
) -> None:
    class A_(Recorder): ...

    socket = await open_socket({"A": A_}, around=bind, query="jid=acme")
    await socket.subscribe(A)
    socket.perform(A, "act")
    assert await socket.message(A) == {"acted": 1}
    hub._on_interrupted()
    assert await socket.message(A) == {"resync": 1}
    await socket.leave()
    assert A_.calls == [f"{call} for acme" for call in ("subscribed", "act", "resync")] + [
        "unsubscribed for acme"
    ]


@pytest.mark.parametrize("reason", ["unauthorized", "token_expired"])
async def test_unauthorized_from_around_command_ends_the_socket_and_the_commands_behind(
    open_socket: Open, reason: Any
) -> None:
    class A_(Recorder): ...

    answers = iter([True, False])

    @asynccontextmanager
    async def suspended(connection: Connection, command: str) -> AsyncIterator[None]:
        if command == "subscribe" and next(answers):
            raise Unauthorized(reason)
        yield

    socket = await open_socket({"A": A_}, around=suspended)
    socket.command("subscribe", A)
    socket.command("subscribe", '{"channel":"A","id":2}')
    assert await socket.next() == {"type": "disconnect", "reason": reason, "reconnect": False}
    assert await socket.next() == 1000
    await asyncio.wait([socket.task])
    assert A_.calls == []


async def test_subscribe_repeated_while_it_is_being_rejected_is_answered_once(
    open_socket: Open,
) -> None:
    class A_(Recorder):
        async def subscribed(self) -> None:
            self.note("subscribed")
            await asyncio.sleep(0.05)
            self.reject()

    socket = await open_socket({"A": A_})
    for _ in range(3):
        socket.command("subscribe", A)
    assert await socket.next() == {"type": "reject_subscription", "identifier": A}
    assert A_.calls == ["subscribed for nobody"]
    socket.command("subscribe", A)  # after the answer it is a new attempt
    assert await socket.next() == {"type": "reject_subscription", "identifier": A}


async def test_stream_unavailable_in_subscribed_lets_the_client_come_back(
    open_socket: Open,
) -> None:
    class A_(Channel):
        async def subscribed(self) -> None:
            raise StreamUnavailable("down")

    socket = await open_socket({"A": A_})
    socket.command("subscribe", A)
    assert await socket.next() == {
        "type": "disconnect",
        "reason": "stream_interrupted",
        "reconnect": True,
    }


async def test_resync_that_fails_lets_the_client_start_over(hub: Hub, open_socket: Open) -> None:
    class A_(Recorder):
        async def resync(self) -> None:
            raise RuntimeError

    socket = await open_socket({"A": A_})
    await socket.subscribe(A)
    hub._on_interrupted()
    assert (await socket.next())["reason"] == "stream_interrupted"


async def test_changes_during_resync_follow_the_new_state(hub: Hub, open_socket: Open) -> None:
    class A_(Recorder):
        async def resync(self) -> None:
            await abroadcast("plain", {"change": 1})
            await asyncio.sleep(0.05)
            self.transmit({"state": 1})

    socket = await open_socket({"A": A_})
    await socket.subscribe(A)
    hub._on_interrupted()
    assert await socket.message(A) == {"state": 1}
    assert await socket.message(A) == {"change": 1}


async def test_action_that_hangs_is_ended_and_the_next_command_runs(open_socket: Open) -> None:
    class A_(Recorder):
        @action
        async def hang(self) -> None:
            await asyncio.Event().wait()

    socket = await open_socket({"A": A_})
    await socket.subscribe(A)
    socket.perform(A, "hang")
    socket.perform(A, "act")
    assert await socket.message(A) == {"acted": 1}


async def test_cancelled_error_of_application_code_does_not_end_the_socket(
    open_socket: Open, caplog: pytest.LogCaptureFixture
) -> None:
    class A_(Recorder):
        @action
        async def unlucky(self) -> None:
            other = asyncio.create_task(asyncio.sleep(60))
            other.cancel()
            await other

    socket = await open_socket({"A": A_})
    await socket.subscribe(A)
    socket.perform(A, "unlucky")
    socket.perform(A, "act")
    assert await socket.message(A) == {"acted": 1}
    assert "something that the channel awaited was cancelled" in caplog.text


async def test_unsubscribed_that_hangs_does_not_keep_the_socket(
    hub: Hub, open_socket: Open, caplog: pytest.LogCaptureFixture
) -> None:
    class A_(Recorder):
        async def unsubscribed(self) -> None:
            await asyncio.Event().wait()

    socket = await open_socket({"A": A_})
    for number in range(5):
        await socket.subscribe(f'{{"channel":"A","id":{number}}}')
    started = time.monotonic()
    await socket.leave()
    assert time.monotonic() - started < 1
    assert "its last commands or callbacks took too long" in caplog.text
    assert hub.connections == set()
    assert len(hub.streams) == 0


async def test_cancelled_application_tells_to_reconnect_and_runs_the_callbacks(
    open_socket: Open,
) -> None:
    """Daphne's way of stopping."""

    class A_(Recorder): ...

    socket = await open_socket({"A": A_})
    await socket.subscribe(A)
    socket.task.cancel()
    await asyncio.wait([socket.task])
    assert await socket.next() == {
        "type": "disconnect",
        "reason": "server_restart",
        "reconnect": True,
    }
    assert A_.calls[-1] == "unsubscribed for nobody"
    assert not socket.task.cancelled()
    assert socket.task.exception() is None


async def test_peer_that_never_reads_is_given_up(open_socket: Open) -> None:
    class A_(Recorder):
        @action
        async def quit(self) -> None:
            self.connection.disconnect("done", reconnect=False)

    socket = await open_socket({"A": A_})
    await socket.subscribe(A)
    socket.writable.clear()
    socket.perform(A, "quit")
    await asyncio.wait([socket.task], timeout=1.5)
    assert socket.task.done()
    assert A_.calls[-1] == "unsubscribed for nobody"


async def test_slow_reader_loses_what_waits_and_is_told(
    settings: Settings, open_socket: Open
) -> None:
    settings.CABLE = {**settings.CABLE, "max_pending_bytes": 10_000}

    class A_(Recorder): ...

    socket = await open_socket({"A": A_})
    await socket.subscribe(A)
    socket.writable.clear()
    for number in range(20):
        await abroadcast("plain", {"n": number, "filler": "x" * 1000})
    await until(lambda: "unsubscribed for nobody" in A_.calls or socket.to_application.empty())
    socket.writable.set()
    frames = []
    while isinstance(frame := await socket.next(), dict):
        frames.append(frame)
    assert [frame.get("message", {}).get("n") for frame in frames] == [0, None]
    assert frames[-1] == {"type": "disconnect", "reason": "too_slow", "reconnect": True}


async def test_broadcasts_held_for_a_slow_subscribed_are_bounded(
    settings: Settings, open_socket: Open
) -> None:
    settings.CABLE = {**settings.CABLE, "max_pending_bytes": 10_000}

    class A_(Channel):
        async def subscribed(self) -> None:
            await self.stream_from("stream")
            for number in range(20):
                await abroadcast("stream", {"n": number, "filler": "x" * 1000})
            await asyncio.sleep(0.05)

    socket = await open_socket({"A": A_})
    socket.command("subscribe", A)
    assert await socket.next() == {"type": "disconnect", "reason": "too_slow", "reconnect": True}


async def test_expired_identity_is_never_welcomed(hub: Hub) -> None:
    async def authenticate(scope: Scope, token: str | None) -> Identity:
        return Identity(key="a", expires_at=time.time() - 1)

    from cable import CableApplication
    from tests.cable.socket import Socket

    socket = Socket(CableApplication(channels={}, authenticate=authenticate))
    assert await socket.next() == {
        "type": "disconnect",
        "reason": "token_expired",
        "reconnect": False,
    }
    assert await socket.next() == 1000
    await asyncio.wait([socket.task])
    assert hub.connections == set()


@pytest.mark.parametrize("extended", [False, True])
async def test_closed_sockets_leave_nothing_behind(
    hub: Hub, open_socket: Open, extended: bool
) -> None:
    class A_(Recorder):
        async def subscribed(self) -> None:
            await super().subscribed()
            await self.stream_from("stream")

    before = asyncio.all_tasks()
    sockets = [await open_socket({"A": A_}, extended=extended) for _ in range(20)]
    for socket in sockets:
        await socket.subscribe(A)
    for socket in sockets:
        await socket.leave()
    assert hub.connections == set()
    assert len(hub.streams) == 0
    assert hub.identities == 0
    (ticker,) = hub._tickers._tickers.values()
    assert all(not slot for slot in ticker._slots)
    assert hub._tickers._of == {}
    assert hub.sessions._kept == set()
    # What stays is the hub's own.
    stay = {"cable-receive", "cable-keep", "cable-ticker", "cable-positions"}
    left = [task.get_name() for task in asyncio.all_tasks() - before]
    assert sorted(left) == sorted(stay | ({"cable-sessions"} if extended else set()))
