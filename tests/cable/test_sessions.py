"""Taking up what a cut socket had open."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pytest_django import Settings

from cable import Unauthorized, abroadcast
from cable.hub import Hub
from tests.cable.asking import said
from tests.cable.channels import CHANNELS, Streams, identifier
from tests.cable.conftest import Open
from tests.cable.polling import until
from tests.cable.resuming import record, resumed, saved, with_session
from tests.cable.unruly import UnrulyStore

A = identifier("stream", name="a")
CONFIRM_HISTORY = {"type": "confirm_history", "identifier": A}


@pytest.fixture(autouse=True)
def saved_soon(settings: Settings) -> None:
    settings.CABLE = {**settings.CABLE, "session_save_interval": 0.01}


async def test_only_what_loses_nothing_is_restored(open_socket: Open, store: UnrulyStore) -> None:
    plain, mixed, none = (
        identifier("plain"),
        identifier("stream", "plain.2"),
        identifier(name="none"),
    )
    first = await open_socket(extended=True)
    for channel in (A, plain, mixed, none):
        await first.subscribe(channel)
    await saved(store, first, [A, none])
    first.cut()
    second = await resumed(open_socket, first)
    assert second.restored == [A, none]
    assert second.sid != first.sid
    await second.subscribe(plain)  # it is not open
    second.command("subscribe", A)  # it is
    await second.quiet()


async def test_session_is_taken_up_once(open_socket: Open, store: UnrulyStore) -> None:
    first = await with_session(open_socket, store, A)
    assert (await resumed(open_socket, first)).restored == [A]
    assert (await resumed(open_socket, first)).restored is None


async def test_session_that_was_taken_up_can_be_taken_up_from_its_successor(
    open_socket: Open, store: UnrulyStore
) -> None:
    first = await with_session(open_socket, store, A)
    second = await resumed(open_socket, first)
    await saved(store, second, [A])
    second.cut()
    assert (await resumed(open_socket, second)).restored == [A]


async def test_session_of_another_user_is_not_given(open_socket: Open, store: UnrulyStore) -> None:
    first = await with_session(open_socket, store, A)
    thief = await open_socket(extended=True, query=f"jid=mallory&sid={first.sid}")
    assert thief.restored is None
    await thief.subscribe(A)
    assert (await resumed(open_socket, first)).restored == [A]


@pytest.mark.parametrize("query", ["", "sid=", "sid=unknown", "sid=" + "x" * 10_000])
async def test_without_a_session_the_welcome_is_plain(open_socket: Open, query: str) -> None:
    assert (await open_socket(extended=True, query=query)).restored is None


async def test_header_names_the_session_before_the_query(
    open_socket: Open, store: UnrulyStore
) -> None:
    first = await with_session(open_socket, store, A)
    headers = {"x-anycable-restore-sid": first.sid}
    socket = await open_socket(extended=True, query="sid=unknown", headers=headers)
    assert socket.restored == [A]


async def test_base_client_takes_up_nothing_and_uses_nothing_up(
    open_socket: Open, store: UnrulyStore
) -> None:
    first = await with_session(open_socket, store, A)
    base = await open_socket(query=f"sid={first.sid}")
    await base.subscribe(A)
    assert (await resumed(open_socket, first)).restored == [A]


async def test_channel_decides_anew(open_socket: Open, store: UnrulyStore) -> None:
    other = identifier("other", name="other")
    first = await with_session(open_socket, store, A, other)
    Streams.refused.add("a")
    second = await resumed(open_socket, first)
    assert second.restored == [other]
    second.command("subscribe", A)
    assert await second.next() == {"type": "reject_subscription", "identifier": A}
    await said(1)
    await said(1, stream="other")
    second.command("history", other)
    assert await second.next() == {"type": "confirm_history", "identifier": other}
    assert await second.message(other) == {"n": 1}
    await second.quiet()


async def test_channel_that_is_no_more_is_not_restored(
    open_socket: Open, store: UnrulyStore
) -> None:
    first = await with_session(open_socket, store, A)
    assert (await resumed(open_socket, first, channels={})).restored == []


async def test_user_who_lost_every_right_is_told_and_hears_the_hooks(
    open_socket: Open, store: UnrulyStore
) -> None:
    class Strict(Streams):
        async def subscribed(self) -> None:
            if self.params.get("name") == "strict" and "gone" in self.refused:
                raise Unauthorized
            await super().subscribed()

    hooks: list[str] = []

    async def connected(connection: object) -> None:
        hooks.append("connected")

    async def disconnected(connection: object) -> None:
        hooks.append("disconnected")

    channels: Any = {"Streams": Strict}
    strict = identifier("stream", name="strict")
    first = await open_socket(channels, extended=True)
    for channel in (A, strict):
        await first.subscribe(channel)
    await saved(store, first, [A, strict])
    first.cut()
    await asyncio.wait([first.task])
    Streams.refused.add("gone")
    Streams.calls.clear()
    second = await open_socket(
        channels,
        extended=True,
        query=f"sid={first.sid}",
        connected=connected,
        disconnected=disconnected,
        welcomed=False,
    )
    assert await second.next() == {
        "type": "disconnect",
        "reason": "unauthorized",
        "reconnect": False,
    }
    assert await second.next() == 1000
    await asyncio.wait([second.task])
    assert hooks == ["connected", "disconnected"]
    assert Streams.calls == ["subscribed a", "unsubscribed a"]


async def test_disconnect_ends_the_session(hub: Hub, open_socket: Open, store: UnrulyStore) -> None:
    first = await open_socket(extended=True)
    await first.subscribe(A)
    await saved(store, first, [A])
    for connection in hub.connections:
        connection.disconnect("remote", reconnect=True)
    assert await first.next() == {"type": "disconnect", "reason": "remote", "reconnect": True}
    await until(lambda: "delete_sessions" in store.calls)
    assert await record(store, first.sid) is None
    assert (await resumed(open_socket, first)).restored is None


async def test_store_that_is_away_costs_the_session_and_nothing_else(
    open_socket: Open, store: UnrulyStore
) -> None:
    first = await with_session(open_socket, store, A)
    store.fails.add("load_session")
    second = await resumed(open_socket, first)
    assert second.restored is None
    await second.subscribe(A)


async def test_restoring_takes_no_longer_than_it_may(
    settings: Settings, open_socket: Open, store: UnrulyStore
) -> None:
    settings.CABLE = {**settings.CABLE, "restore_timeout": 0.05}
    slow = identifier("slow", name="slow")
    first = await with_session(open_socket, store, A, slow, identifier("after"))

    class Hanging(Streams):
        async def subscribed(self) -> None:
            if self.params.get("name") == "slow":
                await asyncio.Event().wait()
            await super().subscribed()

    second = await resumed(open_socket, first, channels={"Streams": Hanging})
    assert second.restored == [A]


async def test_layer_that_is_away_while_restoring_lets_the_client_come_back(
    open_socket: Open, store: UnrulyStore
) -> None:
    first = await with_session(open_socket, store, A)
    store.fails.add("head")
    second = await open_socket(extended=True, query=f"sid={first.sid}", welcomed=False)
    assert await second.next() == {
        "type": "disconnect",
        "reason": "stream_interrupted",
        "reconnect": True,
    }


async def test_restored_socket_is_one_like_others(
    hub: Hub, open_socket: Open, store: UnrulyStore
) -> None:
    first = await with_session(open_socket, store, A)
    second = await resumed(open_socket, first, channels=CHANNELS)
    second.command("unsubscribe", A)
    await second.quiet()
    assert len(hub.streams) == 0
    await second.subscribe(A)
    await abroadcast("stream", {"n": 1})
    assert await second.message(A) == {"n": 1}
    assert Streams.calls == [
        "subscribed a",
        "unsubscribed a",
        "subscribed a",
        "unsubscribed a",
        "subscribed a",
    ]
