"""Readers that stop: told `too_slow`, at a bounded cost, while the others go on."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.conformance.client import BASE, Client, identifier
from tests.conformance.polling import wait_for
from tests.conformance.server import CableServer

MEBIBYTE = 1024 * 1024
#: A message, and how many are sent: more than the server may keep, in kernel and process.
SIZE, COUNT = 800_000, 180
GROWTH = 80 * MEBIBYTE


async def stalled(server: CableServer, key: str) -> Client:
    """A welcomed socket with little room in the kernel that reads only in `read_on`."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", server.port))
    client = Client(
        await connect(
            f"{server.url}?jid={key}",
            sock=sock,
            subprotocols=[Subprotocol(name) for name in BASE],
            max_size=None,
            ping_interval=None,
        )
    )
    assert await client.next() == {"type": "welcome"}
    return client


async def flood(server: CableServer, stream: str, reader: Client, name: str) -> int:
    """Send to a reader that keeps up and to others; the most memory that the server took."""
    process = psutil.Process(server.process.pid)
    most = 0
    for number in range(COUNT):
        message = {"n": number, "filler": "x" * SIZE}
        await asyncio.to_thread(server.post, "broadcast", stream=stream, message=message)
        assert (await reader.message(name))["n"] == number
        most = max(most, process.memory_info().rss)
    return most


async def read_on(client: Client) -> list[dict[str, Any]]:
    """All that still comes, until the close."""
    frames: list[dict[str, Any]] = []
    client.socket.transport.resume_reading()
    try:
        while True:
            frames.append(await client.next())
    except ConnectionClosed:
        return frames


@pytest.fixture
def stream(unique: str) -> str:
    """A stream without history: that would take memory too."""
    return f"plain.{unique}"


async def test_stalled_reader_costs_little_and_holds_up_nobody(
    server: CableServer, unique: str, stream: str
) -> None:
    reader = await Client.welcomed(f"{server.url}?jid={unique}")
    name = identifier("StreamChannel", streams=[stream])
    await reader.subscribe(name)
    before = await flood(server, stream, reader, name)  # what it takes without anybody stalled
    client = await stalled(server, f"stalled{unique}")
    await client.subscribe(name)
    await client.subscribe(identifier("CounterChannel", id=1))
    client.socket.transport.pause_reading()
    assert await flood(server, stream, reader, name) - before < GROWTH
    line = f"<socket of stalled{unique}> reads too slowly; disconnected to reconnect"
    assert server.log.count(line) == 1
    # It never reads, so the close is given up on; its callbacks run all the same, and the
    # connection is cut.
    await wait_for(lambda: len(server.events(f"stalled{unique}")) == 2)
    port = client.socket.local_address[1]
    await wait_for(lambda: port not in peers(server))
    await reader.close()
    client.socket.transport.abort()


def peers(server: CableServer) -> set[int]:
    """The ports at the other end of the server's connections."""
    connections = psutil.Process(server.process.pid).net_connections("tcp")
    return {one.raddr.port for one in connections if one.raddr}


async def test_reader_that_wakes_up_is_told_too_slow_and_to_reconnect(
    server: CableServer, unique: str, stream: str
) -> None:
    client = await stalled(server, unique)
    name = identifier("StreamChannel", streams=[stream])
    await client.subscribe(name)
    client.socket.transport.pause_reading()
    for number in range(30):
        message = {"n": number, "filler": "x" * SIZE}
        await asyncio.to_thread(server.post, "broadcast", stream=stream, message=message)
        if f"<socket of {unique}> reads too slowly" in server.log:
            break
    else:
        raise AssertionError("nobody was too slow")
    *messages, last = await read_on(client)
    numbers = [frame["message"]["n"] for frame in messages]
    assert numbers == list(range(len(numbers)))  # what came before the cut came whole
    assert last == {"type": "disconnect", "reason": "too_slow", "reconnect": True}
