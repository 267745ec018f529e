"""What one socket, one user and one company may take."""

from __future__ import annotations

import asyncio

import pytest
from pytest_django import Settings

from cable import Identity, Scope
from cable.hub import Hub
from cable.limits import TokenBucket
from tests.cable.channels import Streams, identifier
from tests.cable.conftest import Open
from tests.cable.polling import until
from tests.cable.socket import Socket

A = identifier("stream")
CONFIRM = {"type": "confirm_subscription", "identifier": A}
FLOOD = {"type": "disconnect", "reason": "too_many_commands", "reconnect": True}
CROWD = {"type": "disconnect", "reason": "too_many_sockets", "reconnect": True}


def test_bucket_gives_a_burst_then_its_rate() -> None:
    bucket = TokenBucket(2.0, burst=3)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(100.4), bucket.take(100.5), bucket.take(100.5)] == [False, True, False]
    assert [bucket.take(101.5) for _ in range(3)] == [True, True, False]


def test_bucket_never_holds_more_than_its_burst() -> None:
    bucket = TokenBucket(2.0, burst=3)
    assert bucket.take(0.0)
    assert [bucket.take(1_000_000.0) for _ in range(4)] == [True, True, True, False]


def send(socket: Socket, text: str) -> None:
    socket.to_application.put_nowait({"type": "websocket.receive", "text": text})


@pytest.mark.parametrize(
    "text", ["no json", '{"command":"ping"}', '{"command":"unsubscribe","identifier":"x"}']
)
@pytest.mark.parametrize("extended", [False, True])
async def test_every_frame_of_a_flood_counts(
    settings: Settings, open_socket: Open, text: str, extended: bool
) -> None:
    settings.CABLE = {**settings.CABLE, "command_burst": 3, "commands_per_second": 0.001}
    socket = await open_socket(extended=extended)
    send(socket, text)
    send(socket, text)
    socket.command("subscribe", A)
    while (frame := await socket.next()) == {"type": "pong"}:
        pass
    assert frame == CONFIRM
    send(socket, text)
    assert await socket.next() == FLOOD
    assert await socket.next() == 4008


async def test_commands_that_came_before_the_flood_are_answered(
    settings: Settings, open_socket: Open
) -> None:
    settings.CABLE = {**settings.CABLE, "command_burst": 2, "commands_per_second": 0.001}
    socket = await open_socket()
    await socket.subscribe(A)
    other = await open_socket()
    for _ in range(2):
        socket.command("unsubscribe", A)
    assert await socket.next() == FLOOD
    await other.subscribe(A)  # each socket has a bucket of its own


@pytest.mark.parametrize(
    "bound", [{"max_pending_commands": 2}, {"max_pending_command_bytes": 250}], ids=str
)
async def test_commands_that_wait_are_bounded(
    settings: Settings, open_socket: Open, bound: dict[str, int]
) -> None:
    settings.CABLE = {**settings.CABLE, "subscribe_timeout": 5.0, **bound}
    began, gate = asyncio.Event(), asyncio.Event()

    class Slow(Streams):
        async def subscribed(self) -> None:
            began.set()
            await gate.wait()

    socket = await open_socket({"Streams": Slow})
    socket.command("subscribe", A)
    await began.wait()
    filler = "x" * (100 - len('{"command": "unsubscribe", "identifier": ""}'))
    for _ in range(2):
        socket.command("unsubscribe", filler)
    await until(socket.to_application.empty)
    assert socket.sent.empty()
    socket.command("unsubscribe", filler)
    assert await socket.next() == FLOOD
    assert await socket.next() == 4008
    gate.set()


async def who(scope: Scope, token: str | None) -> Identity:
    company, _, name = (token or "").partition(".")
    return Identity(key=token or "", group=company if name else None)


@pytest.mark.parametrize("limit", ["identity", "group"])
@pytest.mark.parametrize("extended", [False, True])
async def test_sockets_of_one_are_bounded_and_free_when_they_close(
    settings: Settings, hub: Hub, open_socket: Open, limit: str, extended: bool
) -> None:
    settings.CABLE = {**settings.CABLE, f"max_sockets_per_{limit}": 2}
    await hub.close()  # it had the settings of before

    async def open_as(key: str, *, welcomed: bool = True) -> Socket:
        return await open_socket(
            authenticate=who, query=f"jid={key}", welcomed=welcomed, extended=extended
        )

    same = ["acme.ann"] * 4 if limit == "identity" else ["acme.a", "acme.b", "acme.c", "acme.d"]
    first, second = [await open_as(key) for key in same[:2]]
    refused = await open_as(same[2], welcomed=False)
    assert await refused.next() == CROWD
    assert await refused.next() == 1000
    await asyncio.wait([refused.task])
    await open_as("acme.zoe" if limit == "identity" else "globex.ann")
    await open_as("guest")  # of no group
    await first.leave()
    await open_as(same[3])
    again = await open_as(same[0], welcomed=False)
    assert await again.next() == CROWD
    await second.subscribe(A)


async def test_nothing_is_counted_when_all_are_gone(hub: Hub, open_socket: Open) -> None:
    for key in ("acme.ann", "acme.ann", "acme.bob", "guest"):
        await (await open_socket(authenticate=who, query=f"jid={key}")).leave()
    assert hub.identities == 0
    assert hub._by_identity == {}
    assert hub._by_group == {}


async def test_socket_that_is_refused_counts_for_nobody(
    settings: Settings, hub: Hub, open_socket: Open
) -> None:
    settings.CABLE = {
        **settings.CABLE,
        "max_sockets_per_identity": 1,
        "max_sockets_per_group": 2,
        "close_timeout": 2.0,
    }
    await hub.close()

    async def member(scope: Scope, token: str | None) -> Identity:
        return Identity(key=token or "", group="acme")

    await open_socket(authenticate=member, query="jid=mallory")
    stuck = [
        await open_socket(authenticate=member, query="jid=mallory", welcomed=False)
        for _ in range(5)
    ]
    for socket in stuck:
        socket.writable.clear()  # they do not take the refusal, and stay a while
    await open_socket(authenticate=member, query="jid=ann")
    for socket in stuck:
        socket.writable.set()
        assert await socket.next() == CROWD
    late = await open_socket(authenticate=member, query="jid=bob", welcomed=False)
    assert await late.next() == CROWD  # two are served
    await Hub.current().close()


async def test_subscribe_that_is_one_too_many_is_answered_too(
    settings: Settings, open_socket: Open
) -> None:
    settings.CABLE = {**settings.CABLE, "command_burst": 1, "commands_per_second": 0.001}
    socket = await open_socket(extended=True)
    send(socket, '{"command":"ping"}')
    assert await socket.next() == {"type": "pong"}
    socket.command("subscribe", A)
    assert await socket.next() == CONFIRM
    assert await socket.next() == FLOOD


async def test_client_that_does_not_answer_pings_is_given_up_if_wanted(
    settings: Settings, hub: Hub, open_socket: Open
) -> None:
    settings.CABLE = {**settings.CABLE, "ping_interval": 0.05, "pong_timeout": 0.08}
    await hub.close()
    silent, base = await open_socket(extended=True), await open_socket()
    answering = await open_socket(extended=True)

    async def answer() -> None:
        while True:
            await answering.event()
            send(answering, '{"command":"pong"}')

    task = asyncio.create_task(answer())
    told = {"type": "disconnect", "reason": "no_pong", "reconnect": True}
    assert await silent.next() == told
    assert await silent.next() == 1000
    for _ in range(4):  # it never answers, as base clients do not
        await base.event()
    assert {connection.closing for connection in Hub.current().connections} == {False}
    task.cancel()
    await Hub.current().close()
