"""What waits for one socket."""

from __future__ import annotations

import asyncio
from typing import Any

from cable.outbox import Outbox
from cable.protocol import Frame


class Wire:
    """A socket whose reader can stop."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.writable = asyncio.Event()
        self.writable.set()
        self.overflows = 0
        self.outbox = Outbox(self.send, max_bytes=100, on_overflow=self._overflow)

    async def send(self, event: dict[str, Any]) -> None:
        await self.writable.wait()
        self.events.append(event)

    def _overflow(self) -> None:
        self.overflows += 1

    @property
    def texts(self) -> list[Any]:
        return [event.get("text", event.get("code")) for event in self.events]


async def test_frames_then_the_last_then_the_close() -> None:
    wire = Wire()
    wire.outbox.push(Frame("one"))
    wire.outbox.push(Frame("two"))
    wire.outbox.close([Frame("bye")], code=4009)
    wire.outbox.push(Frame("late"))
    wire.outbox.close([Frame("again")], code=1000)
    await wire.outbox.run()
    assert wire.texts == ["one", "two", "bye", 4009]
    assert wire.outbox.pending_bytes == 0


async def test_bytes_of_a_stalled_socket_are_bounded_and_counted() -> None:
    wire = Wire()
    wire.writable.clear()
    writer = asyncio.create_task(wire.outbox.run())
    wire.outbox.push(Frame("é" * 40))
    await asyncio.sleep(0)  # the writer holds it; it still counts
    assert wire.outbox.pending_bytes == 80
    wire.outbox.push(Frame("x" * 500))
    assert (wire.outbox.pending_bytes, wire.overflows) == (580, 0)
    wire.outbox.push(Frame("y"))
    assert (wire.outbox.pending_bytes, wire.overflows) == (580, 1)
    wire.outbox.close([Frame("too slow")], code=1000, drop_pending=True)
    wire.writable.set()
    await writer
    assert wire.texts == ["é" * 40, "too slow", 1000]


async def test_answers_are_written_where_messages_are_dropped() -> None:
    """A client that never gets the answer to its subscribe gives the channel up for good."""
    wire = Wire()
    wire.outbox.push(Frame("message"))
    wire.outbox.push(Frame("answer", is_answer=True))
    wire.outbox.close([Frame("too slow")], code=1000, drop_pending=True)
    await wire.outbox.run()
    assert wire.texts == ["answer", "too slow", 1000]


async def test_socket_that_is_gone_ends_the_writer_and_takes_nothing_more() -> None:
    wire = Wire()

    async def gone(event: dict[str, Any]) -> None:
        raise OSError("the peer is gone")

    outbox = Outbox(gone, max_bytes=100, on_overflow=wire._overflow)
    outbox.push(Frame("one"))
    await outbox.run()
    outbox.push(Frame("two"))
    assert outbox.pending_bytes == 0
