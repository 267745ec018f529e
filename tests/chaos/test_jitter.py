"""Phones in a lift: a thousand unmodified @anycable/core clients that are cut all the time."""

from __future__ import annotations

import asyncio
import json
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.conformance.conftest import data_folder, make_server, unique, valkey  # noqa: F401
from tests.conformance.driver import CLIENTS as FOLDER
from tests.conformance.driver import node  # noqa: F401
from tests.conformance.server import CableServer

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

PROCESSES, CLIENTS_OF_EACH = 4, 250
CLIENTS = PROCESSES * CLIENTS_OF_EACH
STREAMS = 2
MESSAGES, PER_SECOND = 120, 2
#: Each socket lives so long, and is held down for so long; both vary by client and time.
CUT_SECONDS, DOWN_SECONDS = 15, 2
#: So many of the sockets that come back are cut again while they receive what they missed.
REPLAY_CUTS = 0.2
#: From the last cut until all are back: they are down, and wait up to a second. A slow machine
#: takes longer.
RECOVERY = 30.0


class Phones:
    """A Node process with many clients; see clients/jitter.mjs."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, program: str, **options: object) -> Phones:
        process = await asyncio.create_subprocess_exec(
            *(program, "jitter.mjs", json.dumps(options)),
            cwd=FOLDER,
            stdin=PIPE,
            stdout=PIPE,
            limit=1 << 24,
        )
        return cls(process)

    async def tell(self, order: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(order.encode() + b"\n")
        await self._process.stdin.drain()

    async def hear(self) -> Any:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "the clients ended"
        return json.loads(line)

    async def report(self) -> dict[str, Any]:
        await self.tell("report")
        report: dict[str, Any] = await self.hear()
        return report

    async def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()


async def publish(server: CableServer, streams: list[str], numbers: range) -> None:
    """Number by number, each to one stream, in turn."""
    began = time.monotonic()
    for number in numbers:
        due = began + (number - numbers.start) / PER_SECOND
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        stream = streams[number % STREAMS]
        await asyncio.to_thread(server.post, "abroadcast", stream=stream, message={"n": number})


async def report_when(
    all_phones: list[Phones], holds: Callable[[list[dict[str, Any]]], bool]
) -> list[dict[str, Any]]:
    """What the processes report when the condition holds, or when time is up."""
    deadline = time.monotonic() + RECOVERY
    while True:
        reports = [await phones.report() for phones in all_phones]
        if holds(reports) or time.monotonic() > deadline:
            return reports
        await asyncio.sleep(0.25)


def is_complete(report: dict[str, Any]) -> bool:
    """Whether each client has the last message of each of its streams."""
    return all(
        numbers and numbers[-1] >= MESSAGES for seen in report["seen"] for numbers in seen.values()
    )


async def test_every_message_arrives_once_and_in_order(
    make_server: Callable[..., CableServer],  # noqa: F811
    node: str,  # noqa: F811
    unique: str,  # noqa: F811
) -> None:
    server = make_server("uvicorn", cable={"subscribe_timeout": 4.0, "authenticate_timeout": 4.0})
    streams = [f"{unique}.{number}" for number in range(STREAMS)]
    async with AsyncExitStack() as stack:
        all_phones = []
        for number in range(PROCESSES):
            phones = await Phones.start(
                node,
                url=server.url,
                clients=CLIENTS_OF_EACH,
                first=number * CLIENTS_OF_EACH,
                streams=streams,
                cutSeconds=CUT_SECONDS,
                downSeconds=DOWN_SECONDS,
                replayCuts=REPLAY_CUTS,
            )
            stack.push_async_callback(phones.close)
            all_phones.append(phones)
        assert [await phones.hear() for phones in all_phones] == ["ready"] * PROCESSES
        for phones in all_phones:
            await phones.tell("start")
        await publish(server, streams, range(MESSAGES))
        for phones in all_phones:
            await phones.tell("stop")
        reports = await report_when(
            all_phones, lambda reports: all(r["away"] == 0 for r in reports)
        )
        assert [report["away"] for report in reports] == [0] * PROCESSES
        # Behind the last message of a stream nothing comes any more, twice or late.
        last = MESSAGES + STREAMS
        await publish(server, streams, range(MESSAGES, last))
        reports = await report_when(all_phones, lambda reports: all(map(is_complete, reports)))

    counts = Counter[str]()
    for report in reports:
        counts.update(report["counts"])
    print(f"{CLIENTS} clients, {last} messages: {dict(counts)}")
    expected = {stream: list(range(number, last, STREAMS)) for number, stream in enumerate(streams)}
    wrong = [seen for report in reports for seen in report["seen"] if seen != expected]
    assert not wrong, f"{len(wrong)} clients, as {wrong[0]}"
    assert counts["delivered"] == CLIENTS * last
    assert (counts["duplicates"], counts["inversions"]) == (0, 0)
    assert (counts["historyLost"], counts["rejected"]) == (0, 0)
    assert counts["cuts"] > 3 * CLIENTS
    assert counts["cutsInReplay"] > CLIENTS / 10
    assert counts["restored"] > CLIENTS
    assert server.process.poll() is None
