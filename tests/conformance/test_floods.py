"""Peers that make the server hold much, below the level of commands."""

from __future__ import annotations

import base64
import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psutil
import pytest
from websockets.frames import Frame, Opcode

from tests.conformance.client import Client
from tests.conformance.conftest import Connect
from tests.conformance.polling import wait_for
from tests.conformance.server import CableServer
from tests.conformance.test_hostile import still_works

MEBIBYTE = 1024 * 1024


def request(path: str, *headers: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@contextmanager
def raw(server: CableServer) -> Iterator[socket.socket]:
    """An open socket that was welcomed and takes in little."""
    with closing(socket.socket()) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.settimeout(3)
        peer.connect(("127.0.0.1", server.port))
        peer.sendall(request("/cable"))
        answer = b""
        while b'{"type":"welcome"}' not in answer:
            answer += peer.recv(4096)
        yield peer


def resident(server: CableServer) -> int:
    return int(psutil.Process(server.process.pid).memory_info().rss)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (f"/cable?jid={'a' * 20_000}", (), 414),
        ("/cable", (f"Cookie: session={'a' * 20_000}",), 431),
    ],
    ids=["query", "cookie"],
)
def test_request_that_is_too_large_is_answered_and_closed(
    server: CableServer, path: str, headers: tuple[str, ...], status: int
) -> None:
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=5)) as peer:
        peer.sendall(request(path, *headers))
        answer = b""
        while chunk := peer.recv(4096):
            answer += chunk
            if b"welcome" in answer:
                pytest.fail("a line this long was expected to be refused")
        if server.kind == "uvicorn":
            assert int(answer.split()[1]) == status
        else:
            assert answer == b""  # it closes without a word


async def test_pings_of_a_peer_that_does_not_read_are_not_hoarded(
    server: CableServer, connect: Connect
) -> None:
    ping = Frame(Opcode.PING, b"x" * 125).serialize(mask=True)
    other = await connect()
    with raw(server) as peer:
        before = resident(server)
        for _ in range(400):  # 42 MB
            peer.sendall(ping * 800)
        assert resident(server) - before < 20 * MEBIBYTE
        await still_works(other)


async def test_newest_ping_of_a_peer_that_was_behind_is_answered(server: CableServer) -> None:
    client = await Client.welcomed(server.url)
    client.socket.transport.pause_reading()
    filler = Frame(Opcode.PING, b"y" * 125).serialize(mask=True) * 800
    for _ in range(200):  # more than both kernels hold
        client.socket.transport.write(filler)
    answered = await client.socket.ping(b"the newest")
    client.socket.transport.resume_reading()
    await wait_for(answered.done)
    await client.close()


async def test_message_in_pieces_is_not_gathered_beyond_its_bound(
    server: CableServer, connect: Connect
) -> None:
    other = await connect()
    piece = Frame(Opcode.CONT, b"x" * 60_000, fin=False).serialize(mask=True)
    before = resident(server)
    for _ in range(3):
        with raw(server) as peer:
            peer.sendall(Frame(Opcode.TEXT, b"x", fin=False).serialize(mask=True))
            with pytest.raises(OSError):  # noqa: PT011  it depends on who is faster
                for _ in range(400):
                    peer.sendall(piece)
    assert resident(server) - before < 8 * MEBIBYTE
    await still_works(other)
