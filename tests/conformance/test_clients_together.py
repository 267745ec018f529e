"""Unmodified @anycable/core clients together: presence, whispers, signed streams."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sera.services.valkey import ValkeyServer
from tests.conformance.driver import Driver, Start, connected, message
from tests.conformance.server import CableServer
from tests.conformance.signing import sign
from tests.conformance.test_clients_extended import (
    BACK,
    RECEIVED,
    RESTORED,
    MakeServer,
    go_offline,
    numbered,
    of,
    publish,
)

ANN = {"name": "Ann"}


def presence(**details: object) -> dict[str, Any]:
    return of("a", "presence", message=details)


JOINED = presence(type="join", id="7", info=ANN)
LEFT = presence(type="leave", id="7")


async def together(start: Start, to: CableServer, stream: str) -> tuple[Driver, Driver]:
    """Two clients of one SocialChannel."""
    drivers = [await start("anycable", to=to, extended=True) for _ in range(2)]
    for driver in drivers:
        await driver.subscribe("SocialChannel", stream=stream)
        await driver.expect(connected(), RECEIVED)
    return drivers[0], drivers[1]


async def test_presence_is_told_to_the_other_and_asked_for(
    start: Start, server: CableServer, unique: str
) -> None:
    watcher, phone = await together(start, server, unique)
    await phone.do("join", name="a", id=7, info=ANN)
    await watcher.expect(JOINED)
    await phone.expect(JOINED)
    await watcher.do("present", name="a")
    records = [{"id": "7", "info": ANN}]
    await watcher.expect(
        presence(type="info", total=1, records=records), of("a", "present", present={"7": ANN})
    )
    await phone.do("leave", name="a")
    await watcher.expect(LEFT)
    # The client keeps its own list from here on, and asks no more.
    await watcher.do("present", name="a")
    await watcher.expect(of("a", "present", present={}))


@pytest.mark.parametrize("end", ["cut", "told to go"])
async def test_nobody_hears_of_who_comes_back_in_time(
    end: str,
    make_server: MakeServer,
    valkey: ValkeyServer,
    start: Start,
    server: CableServer,
    unique: str,
) -> None:
    ttl = 3.0
    patient = make_server(server.kind, cable={"presence_ttl": ttl})
    watcher = await start("anycable", to=patient, extended=True)
    phone = await start("anycable", f"?jid={unique}", to=patient, extended=True)
    for driver in (watcher, phone):
        await driver.subscribe("SocialChannel", stream=unique)
        await driver.expect(connected(), RECEIVED)
    await phone.do("join", name="a", id=7, info=ANN)
    await watcher.expect(JOINED)
    await phone.expect(JOINED)
    if end == "cut":
        await go_offline(phone, valkey, unique, f'"key":"{unique}"')
        await phone.do("online")
        await phone.expect(connected(reconnect=True, restored=True), RESTORED, RECEIVED)
    else:
        await asyncio.to_thread(patient.post, "disconnect", key=unique, reconnect=True)
        await phone.expect(
            of("a", "disconnected"), {"event": "disconnect", "reason": "remote"}, BACK
        )
        await phone.expect(connected(reconnect=True), RECEIVED)
    # The socket that is gone is forgotten by then, its user is not.
    await watcher.nothing(seconds=ttl * 1.5)
    await watcher.do("present", name="a")
    event = await watcher.next()
    assert event["message"] == {"type": "info", "total": 1, "records": [{"id": "7", "info": ANN}]}
    await watcher.expect(of("a", "present", present={"7": ANN}))
    await phone.do("offline")
    await watcher.expect(LEFT)


async def test_whisper_reaches_the_other_only(
    start: Start, server: CableServer, unique: str
) -> None:
    first, second = await together(start, server, unique)
    await first.do("whisper", name="a", data={"typing": True})
    await second.expect(message({"typing": True}))
    await second.do("whisper", name="a", data={"typing": False})
    await first.expect(message({"typing": False}))
    await second.nothing()


async def test_sender_is_left_out(
    valkey: ValkeyServer, start: Start, server: CableServer, unique: str
) -> None:
    first, second = await together(start, server, unique)
    await first.do("perform", name="a", action="to_others", data={"text": "hi"})
    await second.expect(message({"said": "hi"}, stream=unique, offset=1))
    await second.do("perform", name="a", action="to_others", data={"text": "ho"})
    await first.expect(message({"said": "ho"}, stream=unique, offset=2))
    await publish(server, unique, [3])
    await first.expect(*numbered(unique, [3]))
    await second.expect(*numbered(unique, [3]))


async def test_signed_stream(start: Start, server: CableServer, unique: str) -> None:
    driver = await start("anycable", extended=True)
    await driver.do("streamFromSigned", name="a", signed=sign(unique))
    await driver.expect(connected(), RECEIVED)
    await publish(server, unique, [1])
    await driver.expect(*numbered(unique, [1]))
    await driver.do("streamFromSigned", name="b", signed=f"{unique}--{'0' * 64}")
    await driver.expect(of("b", "rejected"))
    await publish(server, unique, [2])
    await driver.expect(*numbered(unique, [2]))


async def test_pongs(start: Start, server: CableServer, unique: str) -> None:
    driver = await start("anycable", f"?jid={unique}", extended=True, pongs=True)
    for _ in range(2):
        await driver.expect({"event": "pong"})
    await driver.subscribe("StreamChannel", streams=[unique])
    await driver.expect(connected(), RECEIVED)
    assert f"<socket of {unique}>" not in server.log, "the server complained"
