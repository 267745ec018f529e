"""Much at once to a reader that keeps up: it is not taken for a slow one."""

from __future__ import annotations

import json
from typing import Any

from cable import abroadcast
from cable.hub import Hub
from tests.cable.asking import at
from tests.cable.channels import identifier
from tests.cable.conftest import Open
from tests.cable.polling import until
from tests.cable.unruly import UnrulyStore

A = identifier("stream")
#: 60 of them are more than may wait for a socket.
FILLER = "x" * 20_000


async def said(count: int) -> None:
    for number in range(1, count + 1):
        await abroadcast("stream", {"n": number, "filler": FILLER})


async def numbers(socket: Any, count: int) -> list[int]:
    return [(await socket.message(A))["n"] for _ in range(count)]


async def test_history_larger_than_what_may_wait(open_socket: Open, store: UnrulyStore) -> None:
    await said(60)
    socket = await open_socket(extended=True)
    socket.command("subscribe", A, history=await at(store, 0))
    assert await socket.next() == {"type": "confirm_subscription", "identifier": A}
    assert await numbers(socket, 60) == list(range(1, 61))
    assert await socket.next() == {"type": "confirm_history", "identifier": A}


async def test_history_of_a_reader_that_stalls_is_given_up(
    hub: Hub, open_socket: Open, store: UnrulyStore
) -> None:
    await said(60)
    socket = await open_socket(extended=True)
    socket.writable.clear()
    socket.command("subscribe", A, history=await at(store, 0))
    await until(lambda: any(connection.closing for connection in hub.connections))
    socket.writable.set()
    frames = []
    while isinstance(frame := await socket.next(), dict):
        frames.append(frame)
    assert {"type": "confirm_subscription", "identifier": A} in frames
    assert frames[-1] == {"type": "disconnect", "reason": "too_slow", "reconnect": True}


async def test_gap_larger_than_what_may_wait(open_socket: Open, store: UnrulyStore) -> None:
    socket = await open_socket()
    await socket.subscribe(A)
    for number in range(1, 61):
        await store.keep(json.dumps({"n": number, "filler": FILLER}))
    await abroadcast("stream", {"n": 61})
    assert await numbers(socket, 61) == list(range(1, 62))
