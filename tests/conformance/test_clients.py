"""The official npm clients, unmodified, against both servers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from tests.conformance.driver import Name, Start, connected, message
from tests.conformance.polling import wait_for
from tests.conformance.server import CableServer


def both(
    scenario: Callable[[Name, Start, CableServer, str], Awaitable[None]],
) -> Callable[[Start, CableServer, str], Awaitable[None]]:
    """Run a scenario with both clients at the same time: most of it is waiting."""

    async def test(start: Start, server: CableServer, unique: str) -> None:
        names: list[Name] = ["anycable", "rails"]
        await asyncio.gather(*(scenario(name, start, server, unique + name) for name in names))

    test.__name__ = scenario.__name__
    return test


@both
async def test_subscribe_receive_perform_leave_and_come_again(
    name: Name, start: Start, server: CableServer, unique: str
) -> None:
    driver = await start(name, f"?jid={unique}")
    # Parameters in an order that is not sorted: Rails' client keeps it, AnyCable's sorts.
    params = {"zebra": 1, "streams": [unique], "apple": {"é": "ü"}}
    for round_ in range(2):
        await driver.subscribe("StreamChannel", **params)
        await driver.expect(connected())
        server.post("broadcast", stream=unique, message={"n": 1})
        await driver.expect(message({"n": 1}))
        await driver.do("perform", name="a", action="shout", data={"stream": unique, "text": "hi"})
        await driver.expect(message({"shout": "hi"}))
        await driver.do("unsubscribe", name="a")
        if name == "anycable":
            await driver.expect({"event": "closed", "name": "a"})
        # Nothing acknowledges an unsubscribe: the test waits for the channel's callback.
        await wait_for(partial(_left, server, unique, times=round_ + 1))
        server.post("broadcast", stream=unique, message={"n": 2})
        await driver.nothing()


def _left(server: CableServer, key: str, *, times: int) -> bool:
    return len(server.events(key)) == times


@both
async def test_state_comes_first_then_changes(
    name: Name, start: Start, server: CableServer, unique: str
) -> None:
    driver = await start(name)
    await driver.subscribe("SnapshotChannel", stream=unique)
    changes = [message({"change": number}) for number in range(3)]
    await driver.expect(connected(), message({"snapshot": unique}), *changes)


@both
async def test_rejection(name: Name, start: Start, server: CableServer, unique: str) -> None:
    driver = await start(name)
    await driver.subscribe("RejectChannel", stream=unique)
    await driver.expect({"event": "rejected", "name": "a"})


@both
async def test_slow_subscribe_is_confirmed_once_though_rails_repeats_it(
    name: Name, start: Start, server: CableServer, unique: str
) -> None:
    driver = await start(name)
    await driver.subscribe("SlowChannel", seconds=0.6)
    await driver.expect(connected())
    await driver.nothing()


@both
async def test_client_comes_back_after_a_cut_and_receives_again(
    name: Name, start: Start, server: CableServer, unique: str
) -> None:
    driver = await start(name)
    await driver.subscribe("StreamChannel", streams=[unique])
    await driver.expect(connected())
    await driver.do("cut")
    await driver.expect({"event": "disconnected", "name": "a"})
    if name == "anycable":
        await driver.expect(
            {"event": "disconnect", "reason": "transport_closed"},
            {"event": "connect", "reconnect": True},
        )
    # Rails' client counts only the attempts of its own poll as reconnecting.
    await driver.expect(connected(reconnect=name == "anycable"))
    server.post("broadcast", stream=unique, message={"n": 1})
    await driver.expect(message({"n": 1}))
    await driver.nothing()


@both
async def test_disconnect_with_reconnect_brings_the_client_back(
    name: Name, start: Start, server: CableServer, unique: str
) -> None:
    driver = await start(name, f"?jid={unique}")
    await driver.subscribe("StreamChannel", streams=[unique])
    await driver.expect(connected())
    server.post("disconnect", key=unique, reconnect=True)
    if name == "rails":
        await driver.expect({"event": "disconnected", "name": "a"})
        return  # its next attempt is seconds away, and the cut above has shown it
    await driver.expect(
        {"event": "disconnected", "name": "a"},
        {"event": "disconnect", "reason": "remote"},
        {"event": "connect", "reconnect": True},
        connected(reconnect=True),
    )


@both
async def test_disconnect_without_reconnect_is_final(
    name: Name, start: Start, server: CableServer, unique: str
) -> None:
    driver = await start(name, f"?jid={unique}")
    await driver.subscribe("StreamChannel", streams=[unique])
    await driver.expect(connected())
    server.post("disconnect", key=unique, reconnect=False)
    if name == "rails":
        await driver.expect({"event": "disconnected for ever", "name": "a"})
    else:
        await driver.expect(
            {"event": "disconnected", "name": "a"}, {"event": "close", "reason": "remote"}
        )
    await driver.nothing()


@pytest.mark.parametrize("strategy", ["param", "header", "sub-protocol"])
async def test_token_of_each_strategy_is_accepted(start: Start, strategy: str, unique: str) -> None:
    driver = await start("anycable", "?need=token", token=unique, tokenStrategy=strategy)
    await driver.subscribe("RequestChannel")
    await driver.expect(connected())
    event = await driver.next()
    assert event["message"]["key"] == unique


async def test_expired_token_is_refreshed_at_connect(start: Start, unique: str) -> None:
    driver = await start("anycable", token=f"{unique}@1000", refreshedToken=unique)
    await driver.expect({"event": "close", "reason": "token_expired"})
    await driver.expect({"event": "connect", "reconnect": False})
    await driver.subscribe("RequestChannel")
    await driver.expect(connected())
    assert (await driver.next())["message"]["key"] == unique


async def test_token_that_expires_on_an_open_socket_is_refreshed(
    start: Start, server: CableServer, unique: str
) -> None:
    token = f"{unique}@{time.time() + 1.2}"
    driver = await start("anycable", token=token, refreshedToken=unique)
    await driver.expect({"event": "connect", "reconnect": False})
    await driver.subscribe("StreamChannel", streams=[unique])
    await driver.expect(
        connected(),
        {"event": "disconnected", "name": "a"},
        {"event": "close", "reason": "token_expired"},
        {"event": "connect", "reconnect": False},
    )
    event = await driver.next()
    assert (event["event"], event["name"]) == ("connected", "a")
    server.post("broadcast", stream=unique, message={"n": 1})
    await driver.expect(message({"n": 1}))
