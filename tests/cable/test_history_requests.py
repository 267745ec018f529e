"""What a client may ask for, and what is still there."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from tests.cable.asking import asked, at, refused, said
from tests.cable.channels import identifier
from tests.cable.conftest import Open
from tests.cable.unruly import OPTIONS, UnrulyStore

A = identifier("stream")
CONFIRM = {"type": "confirm_subscription", "identifier": A}
CONFIRM_HISTORY = {"type": "confirm_history", "identifier": A}
REJECT_HISTORY = {"type": "reject_history", "identifier": A}


@pytest.mark.parametrize(("offset", "missed"), [(5, []), (4, [5]), (3, [4, 5]), (2, [3, 4, 5])])
async def test_what_is_kept_reaches_one_before_the_oldest(
    settings: Settings, open_socket: Open, store: UnrulyStore, offset: int, missed: list[int]
) -> None:
    settings.CABLE = {**settings.CABLE, "history_limit": 3}
    await said(1, 2, 3, 4, 5)
    assert await asked(await open_socket(extended=True), A, await at(store, offset)) == missed


@pytest.mark.parametrize("offset", [1, 0, -1, 2**60])
async def test_who_missed_more_gets_nothing_of_it(
    settings: Settings, open_socket: Open, store: UnrulyStore, offset: int
) -> None:
    settings.CABLE = {**settings.CABLE, "history_limit": 3}
    await said(1, 2, 3, 4, 5)
    socket = await open_socket(extended=True)
    await refused(socket, A, await at(store, offset))
    await said(6)
    assert await socket.message(A) == {"n": 6}


async def test_position_of_another_epoch_is_refused(open_socket: Open, store: UnrulyStore) -> None:
    await said(1, 2)
    position = await at(store, 1)
    await store.world.store.restart("stream", OPTIONS)
    await said(3, 4)
    socket = await open_socket(extended=True)
    await refused(socket, A, position)
    await socket.quiet()


async def test_quiet_stream_is_not_a_lost_one(open_socket: Open, store: UnrulyStore) -> None:
    await said(1, 2)
    await store.world.advance(301_000)
    assert await store.messages() == []
    assert await asked(await open_socket(extended=True), A, await at(store, 2)) == []
    await refused(await open_socket(extended=True), A, await at(store, 1))


async def test_since_is_in_seconds_and_inclusive(open_socket: Open, store: UnrulyStore) -> None:
    began = await store.world.now() // 1000
    for number in (1, 2, 3):
        await said(number)
        await store.world.advance(1000)

    async def since(seconds: float) -> list[int]:
        return await asked(await open_socket(extended=True), A, {"since": seconds})

    assert await since(began) == [1, 2, 3]
    assert await since(began + 1) == [2, 3]
    assert await since(began + 1.5) == [3]
    assert await since(began + 3) == []
    assert await since(began - 1_000_000) == [1, 2, 3]
    assert await since(0) == [1, 2, 3]


async def test_since_before_what_was_lost_is_refused(open_socket: Open, store: UnrulyStore) -> None:
    began = await store.world.now() // 1000
    await said(1)
    await store.world.advance(200_000)
    await said(2)
    await store.world.advance(200_000)  # the first is gone
    await refused(await open_socket(extended=True), A, {"since": began})
    assert await asked(await open_socket(extended=True), A, {"since": began + 1}) == [2]


@pytest.mark.parametrize("history", [{"since": False}, {"since": None}, {}, {"since": True}])
async def test_who_asks_for_nothing_gets_nothing(open_socket: Open, history: object) -> None:
    await said(1)
    assert await asked(await open_socket(extended=True), A, history) == []


async def test_history_command_may_come_without_history(open_socket: Open) -> None:
    socket = await open_socket(extended=True)
    await socket.subscribe(A)
    socket.command("history", A)
    assert await socket.next() == CONFIRM_HISTORY


@pytest.mark.parametrize(
    "history",
    [
        "all",
        7,
        [1],
        {"since": "yesterday"},
        {"since": [1]},
        {"streams": []},
        {"streams": {"stream": 5}},
        {"streams": {"stream": {"epoch": "e"}}},
        {"streams": {"stream": {"epoch": None, "offset": 1}}},
        {"streams": {"stream": {"epoch": "e", "offset": "1"}}},
        {"streams": {"stream": {"epoch": "e", "offset": 1.5}}},
    ],
)
@pytest.mark.parametrize("command", ["subscribe", "history"])
async def test_request_of_another_shape_is_refused_and_the_socket_lives(
    open_socket: Open, history: object, command: str
) -> None:
    await said(1)
    socket = await open_socket(extended=True)
    if command == "history":
        await socket.subscribe(A)
        socket.command("history", A, history=history)
        assert await socket.next() == REJECT_HISTORY
    else:
        await refused(socket, A, history)
    await said(2)
    assert await socket.message(A) == {"n": 2}


async def test_streams_of_others_are_none_of_its_business(
    open_socket: Open, store: UnrulyStore
) -> None:
    await said(1, 2, stream="secret")
    await said(1, 2)
    await (await open_socket()).subscribe(identifier("secret"))
    position = (await at(store, 1))["streams"] | (await at(store, 0, "secret"))["streams"]
    socket = await open_socket(extended=True)
    await socket.subscribe(A, history={"streams": position})
    epoch = await store.epoch()
    frame = {"identifier": A, "message": {"n": 2}, "stream_id": "stream", "offset": 2}
    assert await socket.next() == {**frame, "epoch": epoch}
    assert await socket.next() == CONFIRM_HISTORY
    await socket.quiet()
