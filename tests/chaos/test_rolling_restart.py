"""A deployment: both servers behind a balancer end and start again, one after the other.

A thousand clients are told to go one by one, come back at the other server, and miss nothing.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.chaos import balancer
from tests.chaos.balancer import Balancer
from tests.conformance.client import Client, identifier
from tests.conformance.conftest import data_folder, make_server, unique, valkey  # noqa: F401
from tests.conformance.polling import wait_for
from tests.conformance.server import CableServer

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]

CLIENTS = 1_000
#: Sockets that open at the same time, when the test begins.
OPENING = 40
#: Seconds: HAProxy needs 0.4 to notice.
NOTICE, WINDOW = 1.5, 5.0
PUBLISH_SECONDS = 0.5
#: Clients that have not been back for this long after the window are lost.
GRACE = 10.0


class Member:
    """An extended client of one stream that comes back when told to, or when it was cut off."""

    def __init__(self, url: str, stream: str, number: int) -> None:
        self.subscribed = False
        self.numbers: list[int] = []
        #: When it was told to reconnect, and was subscribed again.
        self.told: list[float] = []
        self.back: list[float] = []
        #: Ends of its sockets that were not in order.
        self.faults: list[str] = []
        self._url = f"{url}?jid=member{number}"
        self._identifier = identifier("StreamChannel", streams=[stream])
        self._positions: dict[str, Any] = {}
        self._client: Client | None = None

    async def run(self, opening: asyncio.Semaphore) -> None:
        while True:
            try:
                async with opening:
                    self._client = await Client.extended(self._url)
                await self._serve(self._client)
            except (ConnectionClosed, InvalidHandshake, OSError, TimeoutError) as error:
                self.faults.append(repr(error))
            self.subscribed = False
            await asyncio.sleep(random.uniform(0.05, 0.3))

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def _serve(self, client: Client) -> None:
        history = {"since": False, "streams": self._positions}
        await client.send(command="subscribe", identifier=self._identifier, history=history)
        while (frame := await client.next(within=30)).get("type") != "disconnect":
            self._take(frame)
        self.told.append(time.monotonic())
        if frame != {"type": "disconnect", "reason": "server_restart", "reconnect": True}:
            self.faults.append(str(frame))
        if (code := await client.closed()) != 1000:
            self.faults.append(f"closed with {code or 1006}")

    def _take(self, frame: dict[str, Any]) -> None:
        match frame.get("type"):
            case None:
                self.numbers.append(frame["message"]["n"])
                place = {"epoch": frame["epoch"], "offset": frame["offset"]}
                self._positions = {frame["stream_id"]: place}
            case "confirm_subscription":
                self.subscribed = True
                self.back.append(time.monotonic())
            case "confirm_history":
                pass
            case _:
                self.faults.append(str(frame))


class Publisher:
    """Sends numbers to the stream through the balancer, until told to stop."""

    def __init__(self, front: Balancer, stream: str) -> None:
        self._url = f"http://127.0.0.1:{front.port}/broadcast"
        self._stream = stream
        self._stop = asyncio.Event()
        self.sent = 0

    async def run(self) -> None:
        while not self._stop.is_set():
            await asyncio.to_thread(self._post, {"stream": self._stream, "message": self._next()})
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), PUBLISH_SECONDS)

    def stop(self) -> None:
        self._stop.set()

    def _next(self) -> dict[str, int]:
        self.sent += 1
        return {"n": self.sent - 1}

    def _post(self, order: dict[str, Any]) -> None:
        request = Request(self._url, data=json.dumps(order).encode(), method="POST")
        with urlopen(request, timeout=15) as answer:
            assert answer.status == 204


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Callable[[dict[str, CableServer]], Balancer]]:
    program = balancer.find()
    if program is None:
        pytest.skip("no haproxy was found (Debian: apt install haproxy)")
    started: list[Balancer] = []

    def start(servers: dict[str, CableServer]) -> Balancer:
        ports = {name: server.port for name, server in servers.items()}
        started.append(Balancer(program, tmp_path, ports))
        return started[-1]

    yield start
    for each in started:
        each.stop()


async def test_rolling_restart_loses_no_client_and_no_message(
    make_server: Callable[..., CableServer],  # noqa: F811
    front: Callable[[dict[str, CableServer]], Balancer],
    unique: str,  # noqa: F811
) -> None:
    options: dict[str, Any] = {"cable": {"drain_notice": NOTICE, "drain_window": WINDOW}}
    servers = {name: make_server("uvicorn", **options) for name in ("a", "b")}
    ended: list[CableServer] = []
    proxy = front(servers)
    for name in servers:
        await proxy.wait_for(name)

    opening = asyncio.Semaphore(OPENING)
    members = [Member(proxy.url, unique, number) for number in range(CLIENTS)]
    tasks = [asyncio.create_task(member.run(opening)) for member in members]
    await wait_for(lambda: all(member.subscribed for member in members), within=60)
    publisher = Publisher(proxy, unique)
    publishing = asyncio.create_task(publisher.run())

    for name, server in servers.items():
        began = time.monotonic()
        server.ask_to_end()
        assert await asyncio.to_thread(server.wait) == 0
        left = began + NOTICE + WINDOW + GRACE - time.monotonic()
        await wait_for(lambda: all(member.subscribed for member in members), within=left)
        told = [moment for member in members for moment in member.told if moment > began]
        back = [moment for member in members for moment in member.back if moment > began]
        # All were at the last of them; at the first, about half.
        assert len(back) == len(told) >= (CLIENTS if server is servers["b"] else CLIENTS // 3)
        fifths = Counter(int((moment - min(back)) / (WINDOW / 5)) for moment in back)
        assert max(fifths.values()) <= 0.4 * len(back), fifths
        ended.append(server)
        servers[name] = await asyncio.to_thread(make_server, "uvicorn", port=server.port, **options)
        await proxy.wait_for(name)

    publisher.stop()
    await publishing
    numbers = list(range(publisher.sent))
    await wait_for(lambda: all(len(member.numbers) >= len(numbers) for member in members))
    assert [member.faults for member in members] == [[]] * CLIENTS
    assert [member.numbers for member in members] == [numbers] * CLIENTS

    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.gather(*(member.close() for member in members))
    for server in servers.values():
        assert await asyncio.to_thread(server.terminate) == 0
    for server in (*ended, *servers.values()):
        events = Counter(json.loads(line)["event"] for line in server.events_file.open())
        assert events["disconnected"] == events["connected"] == events["unsubscribed"]
        assert "Traceback" not in server.log
