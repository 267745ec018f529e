"""Broadcasts: who receives them, under which identifier, in which order."""

from __future__ import annotations

import asyncio

import pytest

from tests.conformance.client import identifier
from tests.conformance.conftest import Connect
from tests.conformance.server import CableServer

pytestmark = pytest.mark.every_layer


@pytest.mark.parametrize(
    "message",
    [{"text": "héllo"}, "a string", '{"json":"in a string"}', [1, 2], 1, True, {}, [], "0"],
    ids=repr,
)
async def test_broadcast_of_any_truthy_value(
    server: CableServer, connect: Connect, unique: str, message: object
) -> None:
    client = await connect()
    name = identifier("StreamChannel", streams=[unique])
    await client.subscribe(name)
    server.post("broadcast", stream=unique, message=message)
    received = await client.message(name)
    assert received == message
    assert type(received) is type(message)


@pytest.mark.parametrize("path", ["broadcast", "abroadcast"])
async def test_broadcasts_arrive_in_order_from_threads_and_coroutines(
    server: CableServer, connect: Connect, unique: str, path: str
) -> None:
    client = await connect()
    name = identifier("StreamChannel", streams=[unique])
    await client.subscribe(name)
    for number in range(50):
        server.post(path, stream=unique, message={"n": number})
    for number in range(50):
        assert await client.message(name) == {"n": number}


@pytest.mark.parametrize(
    "stream",
    ["with space", "ünïcode/🚚", "a:b|c", "x" * 255, "cable-control", "acme.map"],
)
async def test_any_printable_name_of_a_stream(
    server: CableServer, connect: Connect, unique: str, stream: str
) -> None:
    stream = (stream + unique)[-255:]
    client = await connect()
    name = identifier("StreamChannel", streams=[stream])
    await client.subscribe(name)
    server.post("broadcast", stream=stream, message={"n": 1})
    assert await client.message(name) == {"n": 1}


async def test_many_clients_receive_and_the_others_do_when_one_leaves(
    server: CableServer, connect: Connect, unique: str
) -> None:
    clients = [await connect() for _ in range(10)]
    name = identifier("StreamChannel", streams=[unique])
    for client in clients:
        await client.subscribe(name)
    server.post("broadcast", stream=unique, message={"n": 1})
    for client in clients:
        assert await client.message(name) == {"n": 1}
    await clients[0].send(command="unsubscribe", identifier=name)
    await clients[1].close()
    await clients[0].subscribe(identifier("GreetingChannel"))  # so the unsubscribe is done
    await clients[0].next()
    server.post("broadcast", stream=unique, message={"n": 2})
    for client in clients[2:]:
        assert await client.message(name) == {"n": 2}
    await clients[0].nothing()


async def test_two_streams_on_one_channel(
    server: CableServer, connect: Connect, unique: str
) -> None:
    client = await connect()
    name = identifier("StreamChannel", streams=[unique + "a", unique + "b"])
    await client.subscribe(name)
    for stream in "ab":
        server.post("broadcast", stream=unique + stream, message={"from": stream})
        assert await client.message(name) == {"from": stream}


async def test_one_stream_under_several_identifiers_gives_one_copy_each(
    server: CableServer, connect: Connect, unique: str
) -> None:
    client = await connect()
    names = [identifier("StreamChannel", streams=[unique], id=number) for number in range(3)]
    for name in names:
        await client.subscribe(name)
    server.post("broadcast", stream=unique, message={"n": 1})
    frames = [await client.next() for _ in names]
    assert sorted(frame["identifier"] for frame in frames) == names
    assert [frame["message"] for frame in frames] == [{"n": 1}] * 3
    await client.nothing()


async def test_one_stream_followed_twice_gives_one_copy(
    server: CableServer, connect: Connect, unique: str
) -> None:
    client = await connect()
    name = identifier("StreamChannel", streams=[unique, unique])
    await client.subscribe(name)
    server.post("broadcast", stream=unique, message={"n": 1})
    assert await client.message(name) == {"n": 1}
    await client.nothing()


async def test_stop_one_stream_then_all(server: CableServer, connect: Connect, unique: str) -> None:
    client = await connect()
    streams = [unique + letter for letter in "abc"]
    name = identifier("StreamChannel", streams=streams)
    await client.subscribe(name)
    await client.perform(name, "stop", stream=streams[0])
    assert await client.message(name) == {"stopped": streams[0]}
    for stream in streams:
        server.post("broadcast", stream=stream, message={"from": stream})
    assert [(await client.message(name))["from"] for _ in "bc"] == streams[1:]
    await client.perform(name, "stop_all")
    assert await client.message(name) == {"stopped": "all"}
    for stream in streams:
        server.post("broadcast", stream=stream, message={"from": stream})
    await client.nothing()


async def test_stream_followed_later_and_again_after_it_was_stopped(
    server: CableServer, connect: Connect, unique: str
) -> None:
    client = await connect()
    name = identifier("StreamChannel")
    await client.subscribe(name)
    for number in range(5):
        await client.perform(name, "follow", stream=unique)
        assert await client.message(name) == {"following": unique}
        server.post("broadcast", stream=unique, message={"n": number})
        assert await client.message(name) == {"n": number}
        await client.perform(name, "stop", stream=unique)
        assert await client.message(name) == {"stopped": unique}


async def test_nothing_after_unsubscribe_or_a_failed_stop(
    server: CableServer, connect: Connect, unique: str
) -> None:
    client = await connect()
    name = identifier("StreamChannel", streams=[unique])
    await client.subscribe(name)
    await client.perform(name, "stop", stream="never followed")
    assert await client.message(name) == {"stopped": "never followed"}
    await client.send(command="unsubscribe", identifier=name)
    await client.subscribe(identifier("StreamChannel"))
    server.post("broadcast", stream=unique, message={"n": 1})
    await client.nothing()


async def test_a_channel_broadcasts_to_others(connect: Connect, unique: str) -> None:
    one, two = await connect(), await connect()
    name = identifier("StreamChannel", streams=[unique])
    for client in (one, two):
        await client.subscribe(name)
    await one.perform(name, "shout", stream=unique, text="hi")
    for client in (one, two):
        assert await client.message(name) == {"shout": "hi"}


@pytest.mark.parametrize(("rollback", "sent"), [(False, ["inside", "after"]), (True, ["after"])])
async def test_broadcast_waits_for_the_commit_and_dies_with_a_rollback(
    server: CableServer, connect: Connect, unique: str, rollback: bool, sent: list[str]
) -> None:
    client = await connect()
    name = identifier("StreamChannel", streams=[unique])
    await client.subscribe(name)
    server.post("transaction", stream=unique, rollback=rollback)
    assert [(await client.message(name))["sent"] for _ in sent] == sent
    await client.nothing()


async def test_no_message_is_missed_while_others_join_and_leave_the_stream(
    server: CableServer, connect: Connect, unique: str
) -> None:
    """What is published after a confirmation arrives, also when the process just rejoined."""

    async def come_and_go(id_: int) -> None:
        client = await connect()
        name = identifier("StreamChannel", streams=[unique])
        for round_ in range(5):
            await client.send(command="subscribe", identifier=name)
            while (await client.next()).get("type") != "confirm_subscription":
                pass  # messages of others that came before our unsubscribe was read
            sent = {"from": id_, "round": round_}
            await asyncio.to_thread(server.post, "broadcast", stream=unique, message=sent)
            while await client.message(name) != sent:
                pass
            await client.send(command="unsubscribe", identifier=name)

    await asyncio.gather(*map(come_and_go, range(4)))
