"""From where a session goes on, whenever its socket was cut."""

from __future__ import annotations

import asyncio

import pytest
from pytest_django import Settings

from cable import action
from cable.hub import Hub
from tests.cable.asking import at, numbers_until, said
from tests.cable.channels import Streams, identifier
from tests.cable.conftest import Open
from tests.cable.polling import until
from tests.cable.resuming import resumed, saved, with_session
from tests.cable.unruly import UnrulyStore

A = identifier("stream", name="a")
CONFIRM_HISTORY = {"type": "confirm_history", "identifier": A}


@pytest.fixture(autouse=True)
def saved_soon(settings: Settings) -> None:
    settings.CABLE = {**settings.CABLE, "session_save_interval": 0.01}


async def test_what_is_new_waits_for_the_history(
    hub: Hub, open_socket: Open, store: UnrulyStore
) -> None:
    channel = identifier("stream", state=7)
    first = await with_session(open_socket, store, channel)
    await said(1)
    second = await resumed(open_socket, first)
    assert second.restored == [channel]
    await said(2)
    await until(lambda: hub.streams.get("stream").timeline.position == 2)
    await second.quiet()
    second.command("history", channel, history=await at(store, 0))
    assert await second.message(channel) == {"state": 7}
    said_until = {"type": "confirm_history", "identifier": channel}
    assert await numbers_until(second, said_until) == [1]
    assert await second.message(channel) == {"n": 2}
    await second.quiet()


async def test_what_is_new_waits_no_longer_than_it_may(
    settings: Settings, open_socket: Open, store: UnrulyStore
) -> None:
    settings.CABLE = {**settings.CABLE, "restore_hold": 0.05}
    first = await with_session(open_socket, store, A)
    await said(1)
    second = await resumed(open_socket, first)
    await said(2)
    # What it missed could only come behind what is new: it has to come back and ask.
    assert await second.next() == {
        "type": "disconnect",
        "reason": "stream_interrupted",
        "reconnect": True,
    }


@pytest.mark.parametrize("history", [{}, {"since": False}, {"since": 1_900_000_000}])
async def test_client_that_heard_nothing_gets_all_since_it_joined(
    open_socket: Open, store: UnrulyStore, history: object
) -> None:
    await said(1)
    first = await with_session(open_socket, store, A)
    await said(2, 3)
    second = await resumed(open_socket, first)
    second.command("history", A, history=history)
    assert await numbers_until(second, CONFIRM_HISTORY) == [2, 3]


async def test_clients_own_position_counts_before_the_sessions(
    open_socket: Open, store: UnrulyStore
) -> None:
    first = await with_session(open_socket, store, A)
    await said(1, 2, 3)
    second = await resumed(open_socket, first)
    second.command("history", A, history=await at(store, 2))
    assert await numbers_until(second, CONFIRM_HISTORY) == [3]


@pytest.mark.parametrize("asked", [False, True], ids=["before it asked", "before it was answered"])
async def test_client_that_is_cut_again_and_again_misses_nothing(
    open_socket: Open, store: UnrulyStore, asked: bool
) -> None:
    other = identifier("other", name="other")
    socket = await with_session(open_socket, store, A)
    for number in (1, 2, 3):
        await said(number)
        socket = await resumed(open_socket, socket)
        if asked:
            socket.command("history", A)  # its answer is lost on the way
        socket.command("subscribe", other)
        await saved(store, socket, [A, other])
        socket.command("unsubscribe", other)
        await saved(store, socket, [A])
        socket.cut()
    socket = await resumed(open_socket, socket)
    socket.command("history", A)
    assert await numbers_until(socket, CONFIRM_HISTORY) == [1, 2, 3]


async def test_backlog_that_was_lost_on_the_way_comes_again(
    open_socket: Open, store: UnrulyStore
) -> None:
    await said(1, 2)
    first = await open_socket(extended=True)
    first.command("subscribe", A, history={"since": 1_600_000_000})
    await saved(store, first, [A])
    await said(3)
    first.cut()
    second = await resumed(open_socket, first)
    second.command("history", A)
    assert await numbers_until(second, CONFIRM_HISTORY) == [1, 2, 3]


class Follower(Streams):
    @action
    async def follow(self) -> None:
        await self.stream_from("followed")

    @action
    async def leave(self) -> None:
        self.stop_stream("followed")


async def test_streams_that_an_action_added_are_not_forgotten_silently(
    open_socket: Open, store: UnrulyStore
) -> None:
    """The next socket's channel would not know of them, and the client not that it does not."""
    socket = await open_socket({"Streams": Follower}, extended=True)
    await socket.subscribe(A)
    await saved(store, socket, [A])
    socket.perform(A, "follow")
    await saved(store, socket, [])
    socket.perform(A, "leave")
    await saved(store, socket, [A])


async def test_session_is_saved_when_the_store_is_back(
    open_socket: Open, store: UnrulyStore
) -> None:
    store.fails.add("save_sessions")
    socket = await open_socket(extended=True)
    await socket.subscribe(A)
    await until(lambda: "save_sessions" in store.calls)
    store.fails.clear()
    await saved(store, socket, [A])


async def test_socket_that_is_cut_right_after_a_change_is_saved_as_it_was(
    settings: Settings, hub: Hub, open_socket: Open, store: UnrulyStore
) -> None:
    """And not as it is while its channels close."""
    gate = asyncio.Event()

    class Slow(Streams):
        async def unsubscribed(self) -> None:
            await gate.wait()

    settings.CABLE = {**settings.CABLE, "teardown_timeout": 5.0, "command_timeout": 5.0}
    other = identifier("other")
    socket = await open_socket({"Streams": Slow}, extended=True)
    await socket.subscribe(A)
    await saved(store, socket, [A])
    store.calls.clear()
    await socket.subscribe(other)
    socket.cut()
    await saved(store, socket, [A, other])
    gate.set()
    await asyncio.wait([socket.task])
    await saved(store, socket, [A, other])
    assert hub.connections == set()
    assert store.calls.count("save_sessions") == 1
