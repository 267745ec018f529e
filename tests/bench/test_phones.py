"""The phones: whatever a server answers is counted, and nothing twice."""

from __future__ import annotations

import asyncio
import ctypes
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import msgspec
import pytest

from bench.phones import Begin, End, Phones, Seen, Take
from bench.uploads import Phone

#: From the body of a request to status and body of the answer; None closes the connection.
Answer = Callable[[Any], tuple[str, dict[str, Any]] | None]


class Server:
    """Answers every request; tells what came."""

    def __init__(self, answer: Answer, *, keep_alive: bool = True) -> None:
        self._answer = answer
        self._keep_alive = keep_alive
        self.bodies: list[Any] = []
        self.heads: list[str] = []
        self.connections = 0
        #: Answers are held back while it is clear.
        self.gate = asyncio.Event()
        self.gate.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
                body = msgspec.json.decode(await reader.readexactly(length))
                self.heads.append(head)
                self.bodies.append(body)
                await self.gate.wait()
                answer = self._answer(body)
                if answer is None:
                    return
                status, content = answer
                data = msgspec.json.encode(content)
                more = "" if self._keep_alive else "Connection: close\r\n"
                # In pieces, as the network may deliver it.
                writer.write(f"HTTP/1.1 {status}\r\n{more}Content-Le".encode())
                await writer.drain()
                await asyncio.sleep(0)
                writer.write(f"ngth: {len(data)}\r\n\r\n".encode() + data[:5])
                await writer.drain()
                writer.write(data[5:])
                if not self._keep_alive:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def phones(server: Server, count: int = 2, *, reuse: bool = True) -> AsyncIterator[Phones]:
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    made = [
        Phone(number % 2, number, "acme.localhost", "/api/v1/fixes/", f"token-{number}")
        for number in range(count)
    ]
    counters = (ctypes.c_ulonglong * 1)()
    try:
        yield Phones(port, made, counters, 0, reuse=reuse)
    finally:
        listening.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


def stored(body: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(body, list):
        return "200 OK", {"results": [], "stored": len(body), "duplicate": 0}
    return "201 Created", {"id": body["id"], "status": "stored"}


async def run(
    server: Server, order: Begin, *, requests: int, count: int = 2, reuse: bool = True
) -> Seen:
    async with phones(server, count, reuse=reuse) as mine:
        await mine.handle(order)
        await until(lambda: len(server.bodies) >= requests)
        seen = await mine.handle(End())
    assert seen is not None
    return seen


async def test_what_is_acknowledged_is_counted_by_company_and_each_phone_waits() -> None:
    server = Server(stored)
    seen = await run(server, Begin(1, at_once=3), requests=40, count=3)
    assert seen.uploads == len(server.bodies) == len(seen.latencies) == seen.stored.total()
    assert set(seen.stored) == {0, 1}
    assert seen.stored[0] > seen.stored[1] > 0
    assert not seen.failed
    assert len({body["id"] for body in server.bodies}) == len(server.bodies)
    assert server.connections == 3
    assert "Authorization: Bearer token-0\r\n" in server.heads[0]
    assert "Host: acme.localhost\r\n" in server.heads[0]


async def test_batches_are_counted_by_what_the_answer_says_is_stored() -> None:
    def all_but_one(body: Any) -> tuple[str, dict[str, Any]]:
        return "200 OK", {"stored": len(body) - 1, "duplicate": 1}

    seen = await run(Server(all_but_one), Begin(50, at_once=1, stock=2), requests=5)
    assert seen.stored.total() == seen.uploads * 49
    (why,) = seen.failed
    assert why.startswith("200: ")
    assert why.endswith('{"stored":49,"duplicate":1}')
    assert seen.failed[why] == seen.uploads


async def test_other_answers_are_failures_and_nothing_is_counted_as_stored() -> None:
    def busy(body: Any) -> tuple[str, dict[str, Any]]:
        return "503 Service Unavailable", {"code": "unavailable"}

    seen = await run(Server(busy), Begin(1, at_once=2), requests=5)
    assert seen.stored.total() == 0
    assert sum(seen.failed.values()) == seen.uploads
    (why,) = seen.failed
    assert why.startswith("503: ")
    assert why.endswith('{"code":"unavailable"}')


async def test_a_connection_that_ends_without_an_answer_is_a_failure() -> None:
    seen = await run(Server(lambda body: None), Begin(1, at_once=1), requests=3)
    assert seen.stored.total() == 0
    assert seen.failed == {"0: closed without an answer": seen.uploads}


async def test_a_server_that_closes_after_each_answer_gets_a_connection_for_each() -> None:
    server = Server(stored, keep_alive=False)
    seen = await run(server, Begin(1, at_once=2), requests=10, reuse=False)
    assert seen.uploads == seen.stored.total() == len(server.bodies) == server.connections
    assert not seen.failed


async def test_by_a_schedule_what_is_due_waits_for_the_phone_and_counts_from_then() -> None:
    server = Server(stored)
    server.gate.clear()
    started = time.monotonic()
    async with phones(server, 1) as mine:
        await mine.handle(Begin(1, rate=100.0))
        await until(lambda: mine.waiting >= 3)
        assert len(server.bodies) == 1
        server.gate.set()
        seen = await mine.handle(End())
    assert seen is not None
    assert seen.uploads == len(seen.latencies) == len(server.bodies) >= 4
    assert seen.stored == {0: seen.uploads}
    # The fourth was due 30 ms after the first, and they were answered one after the other.
    for latency, least in zip(seen.latencies[:3], (0.03, 0.02, 0.01), strict=True):
        assert latency >= least
    assert max(seen.latencies) <= time.monotonic() - started
    assert len(set(seen.latencies)) > 1


async def test_live_phones_tell_the_moment_when_their_post_was_due() -> None:
    server = Server(stored)
    server.gate.clear()
    begun = time.time()
    async with phones(server, 1) as mine:
        await mine.handle(Begin(1, rate=100.0, live=True))
        await until(lambda: mine.waiting >= 3)
        server.gate.set()
        await mine.handle(End())
    moments = [datetime.fromisoformat(body["recorded_at"]).timestamp() for body in server.bodies]
    # Told in whole milliseconds, rounded down.
    assert begun - 0.002 <= moments[0] <= time.time()
    assert len(moments) >= 4
    for number, moment in enumerate(moments):
        assert moment - moments[0] == pytest.approx(number / 100, abs=0.0021)


async def test_what_was_taken_is_not_taken_again() -> None:
    server = Server(stored)
    async with phones(server) as mine:
        await mine.handle(Begin(1, at_once=2))
        await until(lambda: len(server.bodies) >= 10)
        first = await mine.handle(Take())
        last = await mine.handle(End())
    assert first is not None
    assert last is not None
    assert first.uploads > 0
    together = Seen()
    together.add(first)
    together.add(last)
    assert together.uploads == together.stored.total() == len(server.bodies)
