"""Clients that ask for what they missed."""

from __future__ import annotations

from typing import Any

from cable import abroadcast
from tests.cable.socket import Socket
from tests.cable.unruly import UnrulyStore


async def said(*numbers: int, stream: str = "stream") -> None:
    for number in numbers:
        await abroadcast(stream, {"n": number})


async def at(store: UnrulyStore, offset: int, stream: str = "stream") -> dict[str, Any]:
    """A client's position."""
    return {"streams": {stream: {"epoch": await store.epoch(stream), "offset": offset}}}


async def numbers_until(socket: Socket, last: object) -> list[int]:
    """The messages before a frame."""
    numbers = []
    while (frame := await socket.next()) != last:
        numbers.append(frame["message"]["n"])
    return numbers


async def asked(socket: Socket, channel: str, history: object) -> list[int]:
    """Subscribe with a request for history that is confirmed; what came by it."""
    await socket.subscribe(channel, history=history)
    return await numbers_until(socket, {"type": "confirm_history", "identifier": channel})


async def refused(socket: Socket, channel: str, history: object) -> None:
    await socket.subscribe(channel, history=history)
    assert await socket.next() == {"type": "reject_history", "identifier": channel}
