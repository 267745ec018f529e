"""The end of sockets: by the server's restart, by command, by a reader that is too slow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from websockets.exceptions import ConnectionClosed

from tests.conformance.client import Client, identifier
from tests.conformance.conftest import Connect
from tests.conformance.polling import wait_for
from tests.conformance.server import CableServer, Kind

KINDS: list[Kind] = ["uvicorn", "daphne"]
RESTART = {"type": "disconnect", "reason": "server_restart", "reconnect": True}


@pytest.mark.parametrize("reconnect", [True, False])
async def test_remote_disconnect_closes_every_socket_of_the_user_in_all_processes(
    uvicorn: CableServer, daphne: CableServer, unique: str, reconnect: bool
) -> None:
    sockets = [
        await Client.welcomed(f"{server.url}?jid={unique}")
        for server in (uvicorn, uvicorn, daphne, daphne)
    ]
    other = await Client.welcomed(f"{uvicorn.url}?jid=other{unique}")
    uvicorn.post("disconnect", key=unique, reconnect=reconnect)
    for client in sockets:
        frame = await client.next(within=1)
        assert frame == {"type": "disconnect", "reason": "remote", "reconnect": reconnect}
        assert await client.closed() == 1000
    await other.nothing()
    await other.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_drain_tells_all_sockets_to_reconnect_and_runs_every_callback(
    kind: Kind, make_server: Callable[..., CableServer]
) -> None:
    server = make_server(kind)
    clients = [await Client.welcomed(f"{server.url}?jid=ada") for _ in range(3)]
    for number, client in enumerate(clients):
        await client.subscribe(identifier("CounterChannel", id=number))
    drained = asyncio.create_task(asyncio.to_thread(server.post, "drain"))
    for client in clients:
        assert await client.next() == RESTART
        assert await client.closed() == 1000
    await drained
    assert sorted(event["id"] for event in server.events("ada")) == [0, 1, 2]
    late = await Client.open(server.url)
    assert await late.next() == RESTART
    assert await late.closed() == 1000


@pytest.mark.parametrize("kind", KINDS)
async def test_sigterm_runs_every_callback(
    kind: Kind, make_server: Callable[..., CableServer]
) -> None:
    server = make_server(kind, cable={"ping_interval": 1.2})
    clients = [await Client.welcomed(f"{server.url}?jid=ada") for _ in range(3)]
    for number, client in enumerate(clients):
        await client.subscribe(identifier("CounterChannel", id=number))
    # Daphne 4.2 fails in its shutdown hook while it keeps a request that just ended, and each
    # upgrade is one; it forgets them once a second. The second ping is later than that.
    for _ in range(2 if kind == "daphne" else 0):
        await clients[-1].next(pings=True)
    await asyncio.to_thread(server.terminate)
    assert sorted(event["id"] for event in server.events("ada")) == [0, 1, 2]
    for client in clients:
        with pytest.raises(ConnectionClosed):
            if kind == "daphne":  # uvicorn closes the transport before the application is told
                assert await client.next() == RESTART
            await client.next()
    assert "Traceback" not in server.log


async def test_stalled_reader_is_disconnected_and_others_are_not_held_up(
    uvicorn: CableServer, unique: str
) -> None:
    """Under uvicorn, which holds writers back; Daphne takes every frame into its own memory."""
    stalled = await Client.welcomed(f"{uvicorn.url}?jid=stalled{unique}")
    reader = await Client.welcomed(f"{uvicorn.url}?jid={unique}")
    name = identifier("StreamChannel", streams=[unique])
    for client in (stalled, reader):
        await client.subscribe(name)
    counter = identifier("CounterChannel", id=1)
    await stalled.subscribe(counter)
    stalled.socket.transport.pause_reading()
    filler = "x" * 100_000
    # The kernel's buffers take some megabytes before the server's own count begins.
    for number in range(120):
        await asyncio.to_thread(
            uvicorn.post, "broadcast", stream=unique, message={"n": number, "filler": filler}
        )
        assert (await reader.message(name))["n"] == number
    log_line = f"<socket of stalled{unique}> reads too slowly; disconnected to reconnect"
    await wait_for(lambda: uvicorn.log.count(log_line) == 1)
    # It never reads, so the close is given up on, and both callbacks run all the same.
    await wait_for(lambda: len(uvicorn.events(f"stalled{unique}")) == 2)
    await reader.close()
    stalled.socket.transport.abort()


async def test_slow_reader_that_wakes_up_is_told_too_slow_and_to_reconnect(
    uvicorn: CableServer, unique: str
) -> None:
    client = await Client.welcomed(f"{uvicorn.url}?jid={unique}")
    name = identifier("StreamChannel", streams=[unique])
    await client.subscribe(name)
    client.socket.transport.pause_reading()
    for number in range(120):
        await asyncio.to_thread(
            uvicorn.post, "broadcast", stream=unique, message={"n": number, "filler": "x" * 100_000}
        )
    await wait_for(lambda: f"<socket of {unique}> reads too slowly" in uvicorn.log)
    client.socket.transport.resume_reading()
    numbers = []
    while (frame := await client.next()).get("type") != "disconnect":
        numbers.append(frame["message"]["n"])
    assert numbers == list(range(len(numbers)))  # what came before the cut came whole
    assert frame == {"type": "disconnect", "reason": "too_slow", "reconnect": True}


async def test_largest_message_passes_with_the_largest_identifier(connect: Connect) -> None:
    client = await connect()
    name = identifier("ActionChannel", filler="x" * 65_000)
    await client.subscribe(name)
    largest = 960 * 1024 - len('{"filler":""}')
    await client.perform(name, "bulk", bytes=largest)
    assert await client.message(name) == {"filler": "x" * largest}
    await client.perform(name, "bulk", bytes=largest + 1)  # an error in the server's log
    await client.nothing()
