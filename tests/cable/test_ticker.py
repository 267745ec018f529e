"""Pings."""

from __future__ import annotations

import asyncio
import json
from typing import cast

from cable.connection import Connection
from cable.handshake import Pings
from cable.protocol import Frame
from cable.ticker import Ticker


class Pinged:
    def __init__(self) -> None:
        self.times: list[float] = []

    def ping(self, frame: Frame) -> None:
        content = json.loads(frame.event["text"])
        assert content["type"] == "ping"
        assert type(content["message"]) is int
        self.times.append(asyncio.get_running_loop().time())


async def test_each_socket_once_an_interval_and_not_all_at_one_moment() -> None:
    ticker = Ticker(Pings(0.2, "s"))
    sockets = [Pinged() for _ in range(20)]
    for socket in sockets:
        ticker.add(cast(Connection, socket))
    await asyncio.sleep(1.05)
    await ticker.close()
    counts = {len(socket.times) for socket in sockets}
    assert max(counts) <= 6
    assert max(counts) - min(counts) <= 1
    # Ten moments; a machine that is busy may run some together.
    assert len({round(socket.times[0], 3) for socket in sockets}) >= 5


async def test_removed_socket_is_left_alone() -> None:
    ticker = Ticker(Pings(0.05, "s"))
    one, other = Pinged(), Pinged()
    for socket in (one, other):
        ticker.add(cast(Connection, socket))
    ticker.remove(cast(Connection, one))
    await asyncio.sleep(0.12)
    await ticker.close()
    assert one.times == []
    assert other.times != []
