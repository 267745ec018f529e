"""Every layer carries streams between processes, and its outage is never silent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from tests.conformance.client import Client, identifier
from tests.conformance.fragile import FragileValkey
from tests.conformance.server import CableServer

#: From the layer's return to the client's new state (seconds).
RECOVERY = 10.0
INTERRUPTED = {"type": "disconnect", "reason": "stream_interrupted", "reconnect": True}


@pytest.fixture
def fragile(data_folder: Path, unique: str) -> Iterator[FragileValkey]:
    valkey = FragileValkey(data_folder / unique)
    yield valkey
    valkey.stop()


@pytest.fixture
def fragile_server(
    fragile: FragileValkey, make_server: Callable[..., CableServer]
) -> Callable[[str], CableServer]:
    def make(layer: str) -> CableServer:
        # Outages are noticed sooner than by the default of 2 s, to keep the tests short.
        cable = {"probe_interval": 0.5}
        return make_server("uvicorn", layer=layer, redis_url=fragile.url, cable=cable)

    return make


async def subscribed(server: CableServer, channel: str, stream: str) -> tuple[Client, str]:
    client = await Client.welcomed(server.url)
    name = identifier(channel, streams=[stream])
    await client.subscribe(name)
    return client, name


async def test_processes_reach_each_other_through_pubsub(
    uvicorn: CableServer, daphne: CableServer, unique: str
) -> None:
    clients = [await subscribed(server, "StreamChannel", unique) for server in (uvicorn, daphne)]
    for number, server in enumerate((uvicorn, daphne)):
        server.post("broadcast", stream=unique, message={"n": number})
        for client, name in clients:
            assert await client.message(name) == {"n": number}
    for client, _ in clients:
        await client.close()


async def test_processes_reach_each_other_through_core(
    make_server: Callable[..., CableServer], unique: str
) -> None:
    servers = [make_server("uvicorn", layer="core"), make_server("daphne", layer="core")]
    clients = [await subscribed(server, "StreamChannel", unique) for server in servers]
    for number in range(20):
        servers[number % 2].post("broadcast", stream=unique, message={"n": number})
    for client, name in clients:
        assert [(await client.message(name))["n"] for _ in range(20)] == list(range(20))
        await client.close()


async def test_one_process_needs_no_broker(
    make_server: Callable[..., CableServer], unique: str
) -> None:
    server = make_server("uvicorn", layer="memory")
    client, name = await subscribed(server, "StreamChannel", unique)
    for path in ("broadcast", "abroadcast"):
        server.post(path, stream=unique, message={"by": path})
        assert await client.message(name) == {"by": path}
    await client.close()


@pytest.mark.parametrize("layer", ["pubsub", "core"])
async def test_no_loss_of_the_layer_is_silent_or_final(
    layer: str, fragile: FragileValkey, fragile_server: Callable[[str], CableServer], unique: str
) -> None:
    """Of streams without history."""
    server = fragile_server(layer)
    unique = f"plain.{unique}"
    knows, name = await subscribed(server, "ResyncChannel", unique)
    resync = {"identifier": name, "message": {"resync": True}}

    # A moment, which redis-py gets over by itself.
    if layer == "pubsub":
        # What was published while the subscriber's connection was away is gone.
        with redis.Redis.from_url(fragile.url) as commands:
            assert commands.client_kill_filter(_type="pubsub") == 1
    else:
        # The groups are gone with the broker's memory.
        fragile.kill()
        fragile.start()
    assert await knows.next(within=RECOVERY) == resync
    if layer == "pubsub":
        assert "does not deliver" not in server.log  # it was not the probe that noticed
    server.post("broadcast", stream=unique, message={"n": 1})
    assert await knows.message(name) == {"n": 1}
    await knows.nothing()  # one cut, one new state

    # An outage: new subscribers are sent away to come back, senders are not held up.
    other, _ = await subscribed(server, "StreamChannel", unique)
    fragile.kill()
    late = await Client.welcomed(server.url)
    await late.send(
        command="subscribe", identifier=identifier("StreamChannel", streams=["plain.new"])
    )
    assert await late.next() == INTERRUPTED
    assert await late.closed() == 1000
    started = time.monotonic()
    await asyncio.to_thread(server.post, "broadcast", stream=unique, message={"lost": 1})
    assert time.monotonic() - started < 4
    assert f"a broadcast to {unique} was lost" in server.log
    await knows.nothing()

    fragile.start()
    assert await knows.next(within=RECOVERY) == resync
    # A channel that cannot tell its state anew lets its client start over.
    assert await other.next(within=1) == INTERRUPTED
    assert await other.closed() == 1000
    server.post("broadcast", stream=unique, message={"n": 2})
    assert await knows.message(name) == {"n": 2}
    again, name = await subscribed(server, "StreamChannel", "plain.new")
    server.post("broadcast", stream="plain.new", message={"n": 3})
    assert await again.message(name) == {"n": 3}
    for client in (knows, again):
        await client.close()
