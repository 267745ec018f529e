"""Input that no honest client sends: a clear refusal, no crash, and nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import Counter

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from tests.conformance.client import Client, identifier
from tests.conformance.conftest import Connect
from tests.conformance.server import CableServer

GREETING = identifier("GreetingChannel")
REFUSED = {"type": "disconnect", "reason": "invalid_request", "reconnect": False}
TOO_MANY = {"type": "disconnect", "reason": "too_many_commands", "reconnect": True}


async def still_works(client: Client) -> None:
    await client.subscribe(GREETING)
    assert await client.message(GREETING) == {"hello": "world"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not JSON",
        "null",
        "[]",
        "7",
        "{}",
        '{"command":7}',
        '{"command":"dance","identifier":"x"}',
        '{"command":"welcome"}',
        '{"command":"subscribe"}',
        '{"command":"subscribe","identifier":7}',
        '{"command":"subscribe","identifier":{"channel":"GreetingChannel"}}',
        '{"command":"unsubscribe","identifier":"never opened"}',
        '{"command":"history","identifier":"x","history":{}}',
        '{"command":"ping"}',
        '{"command":"subscribe","identifier":"\\ud800"}',
        '{"command":"subscribe","identifier":"x"',
        "[" * 60_000,
        '{"a":' * 12_000,
        '{"command":"x","deep":' + "[" * 20_000 + "]" * 20_000 + "}",
    ],
    ids=range(20),
)
async def test_frame_that_is_no_command_has_no_effect(connect: Connect, text: str) -> None:
    client = await connect()
    await client.socket.send(text)
    await still_works(client)


async def test_binary_frame_is_refused(connect: Connect) -> None:
    client = await connect()
    await client.socket.send(json.dumps({"command": "subscribe", "identifier": GREETING}).encode())
    assert await client.next() == REFUSED
    assert await client.closed() == 4003


@pytest.mark.parametrize("wide", [False, True])
async def test_largest_command_passes_and_one_byte_more_is_refused(
    connect: Connect, wide: bool
) -> None:
    def command(size: int) -> str:
        text = json.dumps({"command": "unsubscribe", "identifier": ""})
        fill = "é" * 1000 if wide else ""
        fill += "x" * (size - len(text) - len(fill.encode()))
        return text.replace('"}', fill + '"}')

    client = await connect()
    limit = 64 * 1024
    text = command(limit)
    assert len(text.encode()) == limit
    await client.socket.send(text)
    await still_works(client)
    await client.socket.send(text.replace('"}', 'x"}'))
    assert await client.next() == REFUSED
    assert await client.closed() == 4009


async def test_message_of_many_megabytes_ends_the_socket_only(connect: Connect) -> None:
    client, other = await connect(), await connect()
    with pytest.raises(ConnectionClosed):
        await client.socket.send("x" * (20 * 1024 * 1024))
        while True:
            await client.next()
    await still_works(other)


async def test_invalid_utf8_ends_the_socket_only(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    client, other = await connect(), await connect()
    frame = Frame(Opcode.TEXT, b'{"command":"\xff\xfe"}')
    client.socket.transport.write(frame.serialize(mask=True))
    with pytest.raises(ConnectionClosed) as closed:
        await client.next()
    assert closed.value.rcvd is None or closed.value.rcvd.code == 1007  # Daphne just drops it
    await still_works(other)


async def test_ten_thousand_subscribes_are_bounded(connect: Connect) -> None:
    """At most a hundred are confirmed, then rejected, until the socket asks too fast."""
    client, other = await connect(), await connect()

    async def ask() -> None:
        with contextlib.suppress(ConnectionClosed):
            for number in range(10_000):
                name = identifier("StreamChannel", id=number)
                await client.send(command="subscribe", identifier=name)

    asking = asyncio.create_task(ask())
    answers: Counter[str] = Counter()
    while (frame := await client.next())["type"] != "disconnect":
        answers[frame["type"]] += 1
    assert frame == {"type": "disconnect", "reason": "too_many_commands", "reconnect": True}
    assert await client.closed() == 4008
    await asking
    assert 0 < answers["confirm_subscription"] <= 100
    # Never more than the burst of 1,000 and what the seconds meanwhile allowed.
    assert answers["reject_subscription"] < 2_000
    await still_works(other)


async def test_flood_of_commands_behind_a_slow_one_is_refused(
    connect: Connect, unique: str
) -> None:
    client = await connect(f"?jid={unique}")
    name = identifier("ActionChannel")
    await client.subscribe(name)
    await client.perform(name, "slow", seconds=2)
    for _ in range(1_002):
        await client.perform(name, "nothing")
    assert await client.next(within=1) == TOO_MANY
    assert await client.closed() == 4008


async def test_flood_of_bytes_behind_a_slow_one_is_refused(connect: Connect) -> None:
    client = await connect()
    name = identifier("ActionChannel")
    await client.subscribe(name)
    await client.perform(name, "slow", seconds=2)
    for _ in range(22):
        await client.perform(name, "echo", text="x" * 50_000)
    assert await client.next(within=1) == TOO_MANY
    assert await client.closed() == 4008


async def test_log_names_the_reason_and_no_trace(server: CableServer, connect: Connect) -> None:
    client = await connect("?jid=mallory")
    await client.socket.send(b"\x00")
    await client.next()
    assert "<socket of mallory> sent a binary frame; send JSON text; disconnected" in server.log
