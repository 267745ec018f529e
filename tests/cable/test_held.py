"""What waits in subscriptions: bounded for the socket, conflated, and paced when it is let go."""

from __future__ import annotations

import asyncio

import pytest
from pytest_django import Settings

from cable import Channel, State, abroadcast, abroadcast_state
from cable.history import Missed
from cable.hub import Hub
from cable.protocol import Frame
from cable.store.interface import Entry
from cable.subscription import Subscription
from tests.cable.asking import at
from tests.cable.channels import identifier
from tests.cable.conftest import Open
from tests.cable.polling import until
from tests.cable.resuming import resumed, with_session
from tests.cable.unruly import UnrulyStore

A = identifier("stream")
MEBIBYTE = 1024 * 1024


async def test_what_a_restored_socket_holds_is_bounded_over_all_its_subscriptions(
    open_socket: Open, store: UnrulyStore, hub: Hub
) -> None:
    channels = [identifier("stream", number=number) for number in range(50)]
    socket = await resumed(open_socket, await with_session(open_socket, store, *channels))
    assert socket.restored == channels
    (connection,) = hub.connections
    await abroadcast("stream", {"filler": "x" * 100_000})
    await until(lambda: connection.closing)
    assert connection._held.bytes <= MEBIBYTE + 101_000
    assert (await socket.next())["reason"] == "too_slow"
    await socket.leave()
    assert connection._held.bytes == 0


class Late(Channel):
    """Streams a state, then works on before it is confirmed."""

    go = asyncio.Event()

    async def subscribed(self) -> None:
        await self.stream_state("state", load=self.load)
        await self.go.wait()

    @staticmethod
    async def load() -> dict[str, State]:
        return {}


async def test_states_are_conflated_while_they_are_held(
    hub: Hub, open_socket: Open, settings: Settings
) -> None:
    settings.CABLE = {**settings.CABLE, "subscribe_timeout": 2.0}
    Late.go = asyncio.Event()
    socket = await open_socket({"Streams": Late})
    socket.command("subscribe", A)
    await until(lambda: hub.streams.is_conflated("state"))
    conflated = hub.streams._conflated["state"]
    await until(lambda: conflated.viewers)
    conflated._interval = 0.01
    for version in range(1, 11):
        await abroadcast_state("state", {"k": State(version, "x" * 300_000)})
        await until(lambda v=version: conflated._state.entries["k"].version == v)
        await asyncio.sleep(0.02)  # longer than between frames
    (connection,) = hub.connections
    assert connection._held.bytes < MEBIBYTE
    Late.go.set()
    assert await socket.next() == {"type": "confirm_subscription", "identifier": A}
    assert (await socket.message(A))["type"] == "snapshot"
    last = await socket.message(A)
    assert last["items"] == {"k": "x" * 300_000}
    assert hub.streams.conflation_stats.delivered == 1
    assert hub.streams.conflation_stats.conflated == 9


async def test_reader_that_keeps_up_gets_a_replay_and_all_that_was_held_meanwhile(
    hub: Hub, open_socket: Open, store: UnrulyStore
) -> None:
    filler = "x" * 20_000
    for number in range(1, 61):
        await abroadcast("stream", {"n": number, "filler": filler})
    socket = await open_socket(extended=True)
    store.late["read"] = asyncio.Event()
    socket.command("subscribe", A, history=await at(store, 0))
    await until(lambda: "read" in store.calls)
    for number in range(61, 101):
        await abroadcast("stream", {"n": number, "filler": filler})
    (connection,) = hub.connections
    await until(lambda: connection._held.bytes > 40 * 20_000)
    store.late["read"].set()
    assert await socket.next() == {"type": "confirm_subscription", "identifier": A}
    before = [(await socket.message(A))["n"] for _ in range(60)]
    assert await socket.next() == {"type": "confirm_history", "identifier": A}
    after = [(await socket.message(A))["n"] for _ in range(40)]
    assert before + after == list(range(1, 101))
    assert not connection.closing
    assert connection._held.bytes == 0


async def test_replay_to_a_reader_that_takes_too_little_ends(
    hub: Hub, open_socket: Open, store: UnrulyStore, settings: Settings
) -> None:
    settings.CABLE = {**settings.CABLE, "replay_timeout": 0.1, "command_timeout": 5.0}
    await hub.close()
    for number in range(1, 61):
        await abroadcast("stream", {"n": number, "filler": "x" * 20_000})
    socket = await open_socket(extended=True)
    socket.writable.clear()
    socket.command("subscribe", A, history=await at(store, 0))
    (connection,) = Hub.current().connections
    await until(lambda: connection.closing)
    socket.writable.set()
    frames = []
    while isinstance(frame := await socket.next(), dict):
        frames.append(frame)
    assert frames[-1] == {"type": "disconnect", "reason": "too_slow", "reconnect": True}
    await Hub.current().close()


async def test_messages_of_a_replay_become_frames_when_there_is_room(
    hub: Hub, open_socket: Open, store: UnrulyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many sockets that do not read, each would hold a copy of the whole history."""
    for number in range(1, 101):
        await abroadcast("stream", {"n": number, "filler": "x" * 50_000})
    made: list[int] = []
    frame = Missed.frame

    def counted(self: Missed, subscription: Subscription, entry: Entry) -> Frame:
        made.append(entry.offset)
        return frame(self, subscription, entry)

    monkeypatch.setattr(Missed, "frame", counted)
    socket = await open_socket(extended=True)
    socket.writable.clear()
    socket.command("subscribe", A, history=await at(store, 0))
    await until(lambda: made)
    await asyncio.sleep(0.05)
    assert len(made) < 2 * MEBIBYTE / 50_000
    socket.writable.set()
    assert await socket.next() == {"type": "confirm_subscription", "identifier": A}
    assert [(await socket.message(A))["n"] for _ in range(100)] == list(range(1, 101))


async def test_several_replays_to_one_slow_reader_wait_for_each_other(
    hub: Hub, open_socket: Open, store: UnrulyStore, settings: Settings
) -> None:
    settings.CABLE = {
        **settings.CABLE,
        "max_pending_bytes": 200_000,
        "command_patience": 0.01,
        "command_timeout": 0.3,
        "subscribe_timeout": 2.0,
    }
    await hub.close()
    streams = [f"s{number}" for number in range(8)]
    for stream in streams:
        for number in range(12):
            await abroadcast(stream, {"n": number, "filler": "x" * 50_000})
    socket = await open_socket(extended=True)
    for stream in streams:
        history = await at(store, 0, stream)
        socket.command("subscribe", identifier(stream), history=history)
    confirmed = 0
    while confirmed < len(streams):
        frame = await socket.next()
        assert frame.get("type") in (None, "confirm_subscription", "confirm_history"), frame
        confirmed += frame.get("type") == "confirm_history"
        # It takes a frame at a time, and each replay lasts longer than a wait for room may.
        socket.writable.clear()
        asyncio.get_running_loop().call_later(0.005, socket.writable.set)
    await Hub.current().close()
