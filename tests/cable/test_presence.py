"""Coming and going of clients in two processes on one store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from cable import presence
from cable.store import scripts
from tests.cable.polling import until
from tests.cable.presence import ERROR, SLACK, TTL, Client, Process, joined, left, members
from tests.cable.stores import MemoryWorld, ValkeyWorld, World, shifted_scripts


@pytest.fixture(params=["memory", "valkey"])
async def world(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    for name, script in shifted_scripts().items():
        monkeypatch.setattr(scripts, name, script)
    world: World = MemoryWorld() if request.param == "memory" else ValkeyWorld()
    yield world
    await world.close()


@pytest.fixture
async def here(world: World) -> AsyncIterator[Process]:
    process = Process(world.store)
    yield process
    await process.keeper.close()


@pytest.fixture
async def there(world: World) -> AsyncIterator[Process]:
    """Another process, with a client that watches."""
    process = Process(world.store)
    process.keeper.watch(Client("watcher").subscription)
    yield process
    await process.keeper.close()


async def test_first_session_of_an_id_joins_and_last_one_leaves(
    here: Process, there: Process
) -> None:
    one, two, other = Client("1"), Client("2"), Client("3")
    await here.join(one, "ann", {"name": "Ann"})
    assert here.heard() == [joined("ann", '{"name":"Ann"}')]
    await there.join(two, "ann")
    await there.join(other, 7)
    assert there.heard() == [joined("7")]
    await here.keeper.leave(one.subscription)
    assert here.heard() == []
    await there.keeper.leave(two.subscription)
    await there.keeper.leave(two.subscription)
    assert there.heard() == [left("ann")]
    assert await members(here) == {"7": "null"}
    assert one.frames == two.frames == other.frames == []


async def test_repeated_join_refreshes_the_info_silently(here: Process) -> None:
    client = Client("1")
    await here.join(client, "ann", 1)
    await here.join(client, "ann", 2)
    assert here.heard() == [joined("ann", "1")]
    assert await members(here) == {"ann": "2"}
    assert here.keeper.members == 1
    await here.keeper.leave(client.subscription)
    assert here.heard() == [left("ann")]
    assert here.keeper.members == 0


async def test_session_may_not_change_its_id(
    here: Process, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client("1")
    await here.join(client, "ann", 1)
    with caplog.at_level(logging.WARNING):
        await here.join(client, "bob", 2)
    assert "presence id mismatch: it is present as 'ann'" in caplog.text
    assert client.frames == [ERROR]
    assert here.heard() == [joined("ann", "1")]
    assert await members(here) == {"ann": "1"}
    await here.keeper.leave(client.subscription)
    await here.join(client, "bob", 2)
    assert here.heard() == [left("ann"), joined("bob", "2")]


async def test_one_socket_may_be_present_under_two_identifiers(here: Process) -> None:
    one, two = Client("1", identifier="a"), Client("1", identifier="b")
    await here.join(one, "ann")
    await here.join(two, "bob")
    assert here.heard() == [joined("ann"), joined("bob")]
    await here.keeper.leave(one.subscription)
    assert await members(here) == {"bob": "null"}


async def test_channel_that_takes_another_stream_takes_its_client_along(here: Process) -> None:
    client = Client("1")
    await here.join(client, "ann")
    client.subscription.streams.add("t")
    client.subscription.presence_stream = "t"
    await here.join(client, "bob")
    assert here.heard() == [joined("ann"), left("ann"), joined("bob", stream="t")]


async def test_dropped_client_lingers_from_then_on(
    world: World, here: Process, there: Process
) -> None:
    client = Client("1")
    await here.join(client)
    await world.advance(TTL - SLACK)
    here.store.calls.clear()
    await here.keeper.drop(client.subscription)
    assert here.keeper.members == 0
    await until(lambda: [name for name, _ in here.store.calls] == ["presence_touch"])
    await here.keeper.refresh()
    assert [name for name, _ in here.store.calls] == ["presence_touch"]  # nothing of it is left
    await world.advance(TTL - SLACK)
    await there.keeper.refresh()
    assert await members(there) == {"ann": "null"}
    assert there.heard() == []
    await world.advance(SLACK)
    assert await members(there) == {}
    await there.keeper.refresh()
    await there.keeper.refresh()
    assert there.heard() == [left("ann")]
    assert here.heard() == [joined("ann")]


async def test_client_that_comes_back_was_never_away(
    world: World, here: Process, there: Process
) -> None:
    client, again = Client("1"), Client("2")
    await here.join(client)
    await here.keeper.drop(client.subscription)
    await until(lambda: here.store.calls[-1][0] == "presence_touch")
    await there.join(again)
    await world.advance(TTL)
    await there.keeper.refresh()
    assert await members(there) == {"ann": "null"}
    assert (here.heard(), there.heard()) == ([joined("ann")], [])


async def test_clients_of_a_dead_process_leave_once(world: World, here: Process) -> None:
    dead = Process(world.store)
    first, second = Process(world.store), Process(world.store)
    for watching in (first, second):
        watching.keeper.watch(Client("watcher").subscription)
    await dead.join(Client("1"), "ann")
    await dead.join(Client("2"), "bob")
    await here.join(Client("3"), "bob")
    await dead.keeper.close()
    await world.advance(TTL - SLACK)
    for living in (here, first, second):
        await living.keeper.refresh()
    assert first.heard() == second.heard() == []
    await world.advance(SLACK)
    await asyncio.gather(first.keeper.refresh(), second.keeper.refresh())
    assert first.heard() + second.heard() == [left("ann")]
    assert await members(here) == {"bob": "null"}
    for watching in (first, second):
        await watching.keeper.close()


async def test_swept_while_its_process_was_stuck_it_joins_again(
    world: World, here: Process, there: Process
) -> None:
    await here.join(Client("1"), "ann", 1)
    await world.advance(TTL)
    await there.keeper.refresh()
    assert there.heard() == [left("ann")]
    await here.keeper.refresh()
    await here.keeper.refresh()
    assert here.heard() == [joined("ann", "1"), joined("ann", "1")]
    assert await members(there) == {"ann": "1"}


async def test_socket_that_ended_without_a_word_is_given_up(world: World, here: Process) -> None:
    client = Client("1")
    await here.join(client)
    client.subscription.streams.clear()
    await world.advance(TTL - 1)
    await here.keeper.refresh()
    assert here.keeper.members == 0
    assert [name for name, _ in here.store.calls] == ["presence_join"]
    await world.advance(1)
    assert await members(here) == {}


async def test_background_keeps_ours_and_tells_who_expired() -> None:
    world = MemoryWorld()
    ours, dead = Process(world.store, presence_ttl=0.03), Process(world.store)
    await dead.join(Client("1"), "bob")
    await dead.keeper.close()
    await ours.join(Client("2"), "ann")
    ours.keeper.watch(Client("3", stream="t").subscription)
    await world.advance(TTL)
    await until(lambda: left("bob") in ours.said)
    assert ours.heard() == [joined("ann"), left("bob")]
    assert await members(ours) == {"ann": "null"}
    await until(lambda: ("presence_sweep", ("t",)) in ours.store.calls)
    await ours.keeper.close()
    assert ours.keeper.members == 0
    ours.store.calls.clear()
    await ours.keeper.refresh()
    assert ours.store.calls == []


async def test_round_trips_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "_TOUCHED_AT_ONCE", 2)
    process = Process(MemoryWorld().store)
    for number in range(5):
        await process.join(Client(str(number)), number)
    process.store.calls.clear()
    await process.keeper.refresh()
    touched = [args[0] for name, args in process.store.calls if name == "presence_touch"]
    assert [len(sessions) for sessions in touched] == [2, 2, 1]
    assert len({session for sessions in touched for session in sessions}) == 5
    assert [args for name, args in process.store.calls if name == "presence_sweep"] == [("s",)]
    await process.keeper.close()
