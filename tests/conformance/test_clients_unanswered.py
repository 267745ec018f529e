"""A subscribe that is not answered: @anycable/core gives the channel up for good.

With the base protocol the client asks again when it is back. With the extended one its
`reset` forgets why the socket ended, and takes the end for a refusal (core 1.1.7,
`action_cable_ext`: `super.reset()` without the error; anycable-client's pull request 56 is
about a relative of it). A server cannot mend a cut. Whenever it is itself the one who ends the
socket, it must answer first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.driver import Driver, Start, connected
from tests.conformance.fragile import FragileValkey
from tests.conformance.polling import wait_for
from tests.conformance.server import CableServer
from tests.conformance.test_clients_extended import (
    BACK,
    CUT,
    RECEIVED,
    MakeServer,
    numbered,
    of,
    publish,
    subscribed,
)

#: Seconds that a subscribe takes in these tests, and what the server allows it.
SLOW, ALLOWED = 3.0, {"subscribe_timeout": 4.0}


async def subscribing(driver: Driver, server: CableServer, key: str) -> None:
    """Subscribe to a channel that takes its time; the server has begun."""
    await driver.subscribe("SlowChannel", seconds=SLOW)
    await wait_for(lambda: server.events(key))


async def test_client_gives_up_a_channel_when_it_is_cut_while_subscribing(
    make_server: MakeServer, start: Start, server: CableServer, unique: str
) -> None:
    """What the client does; when this fails, the client has been mended."""
    slow = make_server(server.kind, cable=ALLOWED)
    driver = await start("anycable", f"?jid={unique}", to=slow, extended=True)
    await subscribing(driver, slow, unique)
    await driver.do("cut")
    await driver.expect(CUT, of("a", "closed"), BACK)
    await driver.nothing()


async def test_server_that_ends_answers_first(
    make_server: MakeServer, start: Start, server: CableServer, unique: str
) -> None:
    ends = make_server(server.kind, cable=ALLOWED)
    driver = await start("anycable", f"?jid={unique}", to=ends, extended=True)
    await subscribing(driver, ends, unique)
    assert await asyncio.to_thread(ends.terminate) == 0
    restart = {"event": "disconnect", "reason": "server_restart"}
    await driver.expect(connected(), RECEIVED, of("a", "disconnected"), restart)
    make_server(server.kind, cable=ALLOWED, port=ends.port)
    await driver.expect(BACK, connected(reconnect=True), RECEIVED)


async def test_token_that_expires_while_subscribing(
    make_server: MakeServer, start: Start, server: CableServer, unique: str
) -> None:
    slow = make_server(server.kind, cable=ALLOWED)
    token = f"{unique}@{time.time() + SLOW - 0.2}"  # before its answer is due
    driver = await start("anycable", to=slow, token=token, refresh=True, extended=True)
    await subscribing(driver, slow, unique)
    assert (await driver.next())["event"] == "connected"
    await driver.expect(of("a", "disconnected"), {"event": "close", "reason": "token_expired"})
    await driver.do("renew", token=unique)
    await driver.expect({"event": "connect", "reconnect": False}, connected(reconnect=True))


@pytest.fixture
def fragile(data_folder: Path, unique: str) -> Iterator[FragileValkey]:
    valkey = FragileValkey(data_folder / unique, durable=True)
    yield valkey
    valkey.stop()


async def test_channels_outlive_a_broker_that_is_away(
    fragile: FragileValkey, make_server: MakeServer, start: Start, server: CableServer, unique: str
) -> None:
    lonely = make_server(server.kind, redis_url=fragile.url, cable=ALLOWED)
    driver = await start("anycable", to=lonely, extended=True)
    await subscribed(driver, unique)
    await publish(lonely, unique, [1])
    await driver.expect(*numbered(unique, [1]))
    fragile.kill()
    await driver.subscribe("StreamChannel", name="b", streams=[f"b.{unique}"])
    # It is sent away for that, and comes back while the broker is away: twice, to be sure.
    events = []
    for _ in range(2):
        events += await driver.until(BACK, within=10)
    await asyncio.to_thread(fragile.start)
    while [event for event in events if event.get("name") == "a"][-1] != RECEIVED:
        events.append(await driver.next(within=10))
    await publish(lonely, unique, [2])
    events += await driver.until(numbered(unique, [2])[0], within=10)
    assert of("a", "closed") not in events
    assert of("b", "closed") not in events
    await publish(lonely, f"b.{unique}", [1])
    await driver.until(numbered(f"b.{unique}", [1], name="b")[0])
