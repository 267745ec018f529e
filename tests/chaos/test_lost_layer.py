"""Valkey is killed in the middle of traffic: whatever a client misses, it is told of.

    published x subscribers = delivered + signalled

counted for each client and message, over two server processes. A message that a client did not
get lies in a gap, and to each gap belongs a signal: `reject_history`, a new state from `resync`,
or a disconnect after which it subscribed anew. Of a conflated stream, a version that a client did
not see must be followed by a later one that it saw:

    published x subscribers = delivered + conflated
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.conformance.client import Client, identifier
from tests.conformance.conftest import data_folder, make_server, unique, valkey  # noqa: F401
from tests.conformance.fragile import FragileValkey
from tests.conformance.server import CableServer

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]

CLIENTS = 20
KEYS = 5
#: Rounds of messages to each stream, and those at which Valkey is killed and comes back.
ROUNDS, KILLS, RETURNS = 400, (100, 250), (140, 290)
ROUND_SECONDS = 0.025
#: From the layer's return until every client is complete or was told (seconds).
RECOVERY = 10.0


class Seen(NamedTuple):
    """A message's number, or a signal by its name, and when it came."""

    what: int | str
    at: float


@dataclass
class Log:
    """What one client's application saw, in order."""

    ordered: list[Seen] = field(default_factory=list)
    plain: list[Seen] = field(default_factory=list)
    state: dict[str, int] = field(default_factory=dict)
    #: Every version that was seen of a conflated key.
    versions: set[int] = field(default_factory=set)
    position: dict[str, Any] = field(default_factory=dict)


class Phone:
    """Behaves as an extended client does: subscribes with its positions, comes back when told."""

    def __init__(self, server: CableServer, name: str) -> None:
        self.log = Log()
        self.ready = asyncio.Event()
        self._server = server
        self._ordered = identifier("StreamChannel", streams=[name])
        self._plain = identifier("ResyncChannel", streams=[f"plain.{name}"])
        self._state = identifier("StateChannel", stream=f"state.{name}")

    async def run(self) -> None:
        while True:
            with suppress(ConnectionClosed, InvalidHandshake, OSError, TimeoutError):
                await self._serve(await Client.extended(self._server.url))
            self._signal("gone")
            await asyncio.sleep(0.2)

    def _signal(self, what: str) -> None:
        seen = Seen(what, time.monotonic())
        self.log.ordered.append(seen)
        self.log.plain.append(seen)

    async def _serve(self, client: Client) -> None:
        history = {"since": False, "streams": self.log.position}
        await client.send(command="subscribe", identifier=self._ordered, history=history)
        await client.send(command="subscribe", identifier=self._plain)
        await client.send(command="subscribe", identifier=self._state)
        try:
            while True:
                self._take(await client.next(within=30))
        finally:
            await client.close()

    def _take(self, frame: dict[str, Any]) -> None:
        kind, message, now = frame.get("type"), frame.get("message", {}), time.monotonic()
        if kind == "reject_history":
            self.log.ordered.append(Seen("reject_history", now))
        elif frame.get("identifier") == self._ordered and kind is None:
            self.log.ordered.append(Seen(message["n"], now))
            place = {"epoch": frame["epoch"], "offset": frame["offset"]}
            self.log.position = {frame["stream_id"]: place}
        elif frame.get("identifier") == self._plain and kind is None:
            self.log.plain.append(Seen("resync" if "resync" in message else message["n"], now))
        elif frame.get("identifier") == self._state and kind is None:
            if message["type"] == "snapshot":
                self.log.state.clear()
            for key, value in message["items"].items():
                self.log.state[key] = value["x"]
                self.log.versions.add(value["x"])
        elif kind == "confirm_subscription" and frame["identifier"] == self._plain:
            # What came before is not expected; an application reads its state here.
            self.log.plain.append(Seen("subscribed", now))
        elif kind == "confirm_subscription" and frame["identifier"] == self._state:
            self.ready.set()


@pytest.fixture(params=[False, True], ids=["forgets everything", "remembers"])
def fragile(
    request: pytest.FixtureRequest,
    data_folder: Path,  # noqa: F811
    unique: str,  # noqa: F811
) -> Iterator[FragileValkey]:
    valkey = FragileValkey(data_folder / unique, durable=request.param)  # noqa: F811
    yield valkey
    valkey.stop()


async def test_nothing_is_unaccounted_for(
    fragile: FragileValkey,
    make_server: Callable[..., CableServer],  # noqa: F811
    unique: str,  # noqa: F811
) -> None:
    cable = {"probe_interval": 0.5, "position_check_interval": 1.0}
    servers = [
        make_server("uvicorn", layer="pubsub", redis_url=fragile.url, cable=cable) for _ in range(2)
    ]
    # What a conflated stream's state is loaded from: the truth, as a database has it.
    truth: dict[str, tuple[int, dict[str, int]]] = {}
    published: dict[int, float] = {}
    returned: list[float] = []
    phones = [Phone(servers[number % 2], unique) for number in range(CLIENTS)]
    async with AsyncExitStack() as stack:
        for phone in phones:
            task = asyncio.create_task(phone.run())
            stack.callback(task.cancel)
            await asyncio.wait_for(phone.ready.wait(), 10)
        for number in range(1, ROUNDS + 1):
            published[number] = time.monotonic()
            await _round(number, servers, unique, truth)
            if number in KILLS:
                fragile.kill()
            if number in RETURNS:
                await asyncio.to_thread(fragile.start)
                returned.append(time.monotonic())
        await _until_quiet(phones, servers, unique, truth, published)

    expected = {key: value["x"] for key, (_, value) in truth.items()}
    assert [phone.log.state for phone in phones] == [expected] * CLIENTS
    # The last version of each key is seen, so all that were not are conflated.
    conflated = sum(len(published.keys() - phone.log.versions) for phone in phones)
    assert all(phone.log.versions <= published.keys() for phone in phones)
    missing_ordered = sum(_missing(phone.log.ordered, published, returned) for phone in phones)
    missing_plain = sum(_missing(phone.log.plain, published, returned) for phone in phones)
    total = len(published) * CLIENTS
    print(
        f"published x subscribers = {total} = {total - missing_ordered} delivered + "
        f"{missing_ordered} signalled with history; "
        f"{total - missing_plain} + {missing_plain} without; "
        f"{total - conflated} delivered + {conflated} conflated of a state"
    )
    for phone in phones:
        numbers = [seen.what for seen in phone.log.ordered if isinstance(seen.what, int)]
        assert len(numbers) == len(set(numbers)), "a message came twice"
        for sender in range(2):
            sent = [number for number in numbers if _sender(number) == sender]
            assert sent == sorted(sent), "the messages of one process came out of order"
    assert missing_plain > 0, "Valkey was away; this test proves nothing if nobody felt it"


async def _round(
    number: int,
    servers: list[CableServer],
    name: str,
    truth: dict[str, tuple[int, dict[str, int]]],
) -> None:
    started = time.monotonic()
    key = str(number % KEYS)
    truth[key] = (number, {"x": number})
    for server in servers:
        path = server.events_file.with_name(f"{server.events_file.name}.state.{name}")
        path.with_suffix(".new").write_text(json.dumps(truth))
        path.with_suffix(".new").replace(path)
    sender = servers[_sender(number)]
    for path, order in (
        ("abroadcast", {"stream": name, "message": {"n": number}}),
        ("abroadcast", {"stream": f"plain.{name}", "message": {"n": number}}),
        ("state", {"stream": f"state.{name}", "changes": {key: truth[key]}}),
    ):
        await asyncio.to_thread(sender.post, path, **order)
    await asyncio.sleep(max(0.0, ROUND_SECONDS - (time.monotonic() - started)))


async def _until_quiet(
    phones: list[Phone],
    servers: list[CableServer],
    name: str,
    truth: dict[str, tuple[int, dict[str, int]]],
    published: dict[int, float],
) -> None:
    """Publish on until one message has reached everybody."""
    deadline = time.monotonic() + RECOVERY
    number = ROUNDS
    while time.monotonic() < deadline:
        number += 1
        published[number] = time.monotonic()
        await _round(number, servers, name, truth)
        until = time.monotonic() + 1
        while time.monotonic() < until:
            logs = [phone.log for phone in phones]
            expected = {key: value["x"] for key, (_, value) in truth.items()}
            if all(
                (_newest(log.ordered), _newest(log.plain), log.state) == (number, number, expected)
                for log in logs
            ):
                return
            await asyncio.sleep(0.02)
    behind = [
        (phone % 2, log.ordered[-3:], log.plain[-3:], log.state)
        for phone, log in enumerate(logs)
        if (_newest(log.ordered), _newest(log.plain), log.state) != (number, number, expected)
    ]
    raise AssertionError(f"not complete {RECOVERY} s after the end: {expected} {behind}")


def _newest(log: list[Seen]) -> int | str | None:
    return log[-1].what if log else None


def _missing(log: list[Seen], published: dict[int, float], returned: list[float]) -> int:
    """How many messages a client did not get; of each it must have been told, within the bound."""
    signals = [seen.at for seen in log if isinstance(seen.what, str)]
    received = {seen.what for seen in log}
    missing = published.keys() - received
    for number in missing:
        at = published[number]
        bound = next((back for back in returned if back > at), at) + RECOVERY
        told = any(at <= signal <= bound for signal in signals)
        assert told, f"message {number} is missing without a word: {log}"
    return len(missing)


def _sender(number: int) -> int:
    """Which server sends a message: they take turns, seven each."""
    return number // 7 % 2
