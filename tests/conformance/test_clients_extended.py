"""The unmodified @anycable/core with the extended protocol, against both servers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any

from redis.asyncio import Redis

from sera.services.valkey import ValkeyServer
from tests.conformance.driver import Driver, Start, connected, message
from tests.conformance.polling import wait_for
from tests.conformance.server import CableServer

MakeServer = Callable[..., CableServer]

CUT = {"event": "disconnect", "reason": "transport_closed"}
BACK = {"event": "connect", "reconnect": True}
RESTORED = {**BACK, "restored": True}


def of(name: str, event: str, **details: object) -> dict[str, Any]:
    """What a channel reports."""
    return {"event": event, "name": name, **details}


RECEIVED = of("a", "history_received")


def numbered(stream: str, offsets: Iterable[int], *, name: str = "a") -> list[dict[str, Any]]:
    """Messages as `publish` sends them to a stream that got nothing else."""
    return [message({"n": n}, name=name, stream=stream, offset=n) for n in offsets]


async def publish(server: CableServer, stream: str, numbers: Iterable[int]) -> None:
    for number in numbers:
        await asyncio.to_thread(server.post, "broadcast", stream=stream, message={"n": number})


async def subscribed(driver: Driver, stream: str) -> None:
    """Subscribe to a stream, whose history the client asks for right away."""
    await driver.subscribe("StreamChannel", streams=[stream])
    await driver.expect(connected(), RECEIVED)


async def session_saved(valkey: ValkeyServer, *identifiers_hold: str) -> None:
    """Wait until one session in the store has all these words in its identifiers."""
    async with asyncio.timeout(10), Redis.from_url(valkey.url) as store:
        while True:
            async for key in store.scan_iter("cable:session:*", count=1000):
                text = (await store.get(key) or b"").decode()
                if all(word in text for word in identifiers_hold):
                    return
            await asyncio.sleep(0.02)


async def go_offline(driver: Driver, valkey: ValkeyServer, *identifiers_hold: str) -> None:
    """Cut the client off until `online`; its session can be taken up from here."""
    await session_saved(valkey, *identifiers_hold)
    await driver.do("offline")
    await driver.expect(CUT)


async def test_subscribe_receive_perform_leave_and_come_again(
    start: Start, server: CableServer, unique: str
) -> None:
    driver = await start("anycable", f"?jid={unique}", extended=True)
    await subscribed(driver, unique)
    await publish(server, unique, [1])
    await driver.expect(*numbered(unique, [1]))
    await driver.do("perform", name="a", action="shout", data={"stream": unique, "text": "hi"})
    await driver.expect(message({"shout": "hi"}, stream=unique, offset=2))
    await driver.do("unsubscribe", name="a")
    await driver.expect(of("a", "closed"))
    await wait_for(lambda: server.events(unique))  # it was unsubscribed
    await publish(server, unique, [3])
    await driver.nothing()
    # A new subscription of the same client goes on where the last one ended.
    await driver.subscribe("StreamChannel", streams=[unique])
    await driver.expect(connected(), *numbered(unique, [3]), RECEIVED)


# Cut and back.


async def test_session_is_taken_up_after_a_cut(
    valkey: ValkeyServer, start: Start, server: CableServer, unique: str
) -> None:
    driver = await start("anycable", extended=True)
    await subscribed(driver, unique)
    await publish(server, unique, [1])
    await driver.expect(*numbered(unique, [1]))
    for first in (2, 6):
        await go_offline(driver, valkey, unique)
        await publish(server, unique, [first, first + 1])
        await driver.do("online")
        # The channel never heard that it was away.
        await driver.expect(connected(reconnect=True, restored=True), RESTORED)
        await driver.expect(*numbered(unique, [first, first + 1]), RECEIVED)
        await publish(server, unique, [first + 2, first + 3])
        await driver.expect(*numbered(unique, [first + 2, first + 3]))
    await driver.nothing()


async def test_missed_messages_come_before_those_that_come_meanwhile(
    valkey: ValkeyServer, start: Start, server: CableServer, unique: str
) -> None:
    """The channel broadcasts three changes each time that it is opened, also for a session."""

    def changes(first: int) -> list[dict[str, Any]]:
        return [message({"change": n}, stream=unique, offset=first + n) for n in range(3)]

    snapshot = message({"snapshot": unique})
    driver = await start("anycable", extended=True)
    await driver.subscribe("SnapshotChannel", stream=unique)
    await driver.expect(connected(), snapshot, RECEIVED, *changes(1))
    await go_offline(driver, valkey, unique)
    await publish(server, unique, [4, 5])
    await driver.do("online")
    await driver.expect(connected(reconnect=True, restored=True), RESTORED, snapshot)
    await driver.expect(*numbered(unique, [4, 5]), RECEIVED, *changes(6))
    await driver.nothing()


async def test_client_that_was_cut_before_any_message_misses_none(
    valkey: ValkeyServer, start: Start, server: CableServer, unique: str
) -> None:
    """It has no position, and without `since` no time to ask from: the session has both."""
    driver = await start("anycable", extended=True, since=False)
    await driver.subscribe("StreamChannel", streams=[unique])
    await driver.expect(connected())
    await go_offline(driver, valkey, unique)
    await publish(server, unique, [1, 2])
    await driver.do("online")
    await driver.expect(connected(reconnect=True, restored=True), RESTORED)
    await driver.expect(*numbered(unique, [1, 2]), RECEIVED)
    await driver.nothing()


async def test_channel_that_cannot_be_restored_is_subscribed_again(
    valkey: ValkeyServer, start: Start, server: CableServer, unique: str
) -> None:
    """Of streams without history, nobody could say what was missed."""
    plain = f"plain.{unique}"
    driver = await start("anycable", extended=True)
    await subscribed(driver, unique)
    await driver.subscribe("StreamChannel", name="b", streams=[plain])
    await driver.expect(connected("b"), of("b", "history_not_found"))
    await go_offline(driver, valkey, unique)
    await publish(server, unique, [1])
    await publish(server, plain, [1])
    await driver.do("online")
    events = [await driver.next() for _ in range(7)]
    # What happens to one of them does not wait for the other.
    assert [event for event in events if event.get("name") == "a"] == [
        connected(reconnect=True, restored=True),
        *numbered(unique, [1]),
        RECEIVED,
    ]
    assert [event for event in events if event.get("name") == "b"] == [
        of("b", "disconnected"),
        connected("b", reconnect=True),
        of("b", "history_not_found"),
    ]
    assert RESTORED in events
    await publish(server, plain, [2])
    await driver.expect(message({"n": 2}, name="b"))


async def test_session_that_is_lost_leaves_history_by_positions(
    valkey: ValkeyServer, start: Start, server: CableServer, unique: str
) -> None:
    driver = await start("anycable", extended=True)
    await subscribed(driver, unique)
    await publish(server, unique, [1])
    await driver.expect(*numbered(unique, [1]))
    await go_offline(driver, valkey, unique)
    await publish(server, unique, [2, 3])
    async with Redis.from_url(valkey.url) as store:
        async for key in store.scan_iter("cable:session:*", count=1000):
            if unique.encode() in (await store.get(key) or b""):
                await store.delete(key)
    await driver.do("online")
    await driver.expect(of("a", "disconnected"), BACK, connected(reconnect=True))
    await driver.expect(*numbered(unique, [2, 3]), RECEIVED)
    await publish(server, unique, [4])
    await driver.expect(*numbered(unique, [4]))
    await driver.nothing()


async def test_history_that_is_lost_is_said(
    valkey: ValkeyServer, start: Start, server: CableServer, unique: str
) -> None:
    """Streams `short.*` keep five messages."""
    stream = f"short.{unique}"
    driver = await start("anycable", extended=True)
    await subscribed(driver, stream)
    await publish(server, stream, [1])
    await driver.expect(*numbered(stream, [1]))
    await go_offline(driver, valkey, unique)
    await publish(server, stream, range(2, 8))
    await driver.do("online")
    await driver.expect(connected(reconnect=True, restored=True), RESTORED)
    await driver.expect(of("a", "history_not_found"))
    await publish(server, stream, [8])
    await driver.expect(*numbered(stream, [8]))
    # From there on nothing is lost any more.
    await go_offline(driver, valkey, unique)
    await publish(server, stream, range(9, 14))
    await driver.do("online")
    await driver.expect(connected(reconnect=True, restored=True), RESTORED)
    await driver.expect(*numbered(stream, range(9, 14)), RECEIVED)


# Told to go.


async def test_client_comes_back_from_a_restart_with_its_history(
    make_server: MakeServer, start: Start, server: CableServer, unique: str
) -> None:
    ends = make_server(server.kind)
    driver = await start("anycable", to=ends, extended=True)
    await subscribed(driver, unique)
    await publish(server, unique, [1])
    await driver.expect(*numbered(unique, [1]))
    assert await asyncio.to_thread(ends.terminate) == 0
    await driver.expect(
        of("a", "disconnected"), {"event": "disconnect", "reason": "server_restart"}
    )
    await publish(server, unique, [2, 3])
    make_server(server.kind, port=ends.port)
    await driver.expect(BACK, connected(reconnect=True), *numbered(unique, [2, 3]), RECEIVED)
    await publish(server, unique, [4])
    await driver.expect(*numbered(unique, [4]))
    await driver.nothing()


async def test_token_that_expires_is_refreshed_and_nothing_is_missed(
    start: Start, server: CableServer, unique: str
) -> None:
    token = f"{unique}@{time.time() + 2}"
    driver = await start("anycable", token=token, refresh=True, extended=True)
    await subscribed(driver, unique)
    await publish(server, unique, [1])
    await driver.expect(*numbered(unique, [1]))
    await driver.expect(of("a", "disconnected"), {"event": "close", "reason": "token_expired"})
    await publish(server, unique, [2, 3])
    await driver.do("renew", token=unique)
    await driver.expect(
        {"event": "connect", "reconnect": False},
        connected(reconnect=True),
        *numbered(unique, [2, 3]),
        RECEIVED,
    )
    await publish(server, unique, [4])
    await driver.expect(*numbered(unique, [4]))
    await driver.nothing()
