"""Presence while the store or the layer are away, or answer late."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cable.conf import CableSettings
from cable.envelope import Event
from cable.presence import PresenceKeeper
from tests.cable.polling import until
from tests.cable.presence import ERROR, TTL, Client, Process, joined, left, members
from tests.cable.stores import MemoryWorld


@pytest.fixture
async def alone() -> AsyncIterator[Process]:
    """A process whose store is its own."""
    process = Process(MemoryWorld().store)
    yield process
    await process.keeper.close()


async def test_client_is_told_that_nobody_can_tell(alone: Process) -> None:
    client = Client("1")
    alone.store.fails = "before"
    await alone.keeper.tell(client.subscription, {})
    assert client.frames == [ERROR]
    assert not client.subscription.holding


@pytest.mark.parametrize("fails", ["before", "after"])
async def test_join_is_made_up_for_when_the_store_is_back(alone: Process, fails: str) -> None:
    client = Client("1")
    alone.store.fails = fails
    await alone.join(client)
    await alone.keeper.refresh()
    assert (alone.said, alone.keeper.members) == ([], 1)
    alone.store.fails = ""
    await alone.keeper.refresh()
    await alone.keeper.refresh()
    assert alone.heard() == [joined("ann")]
    assert await members(alone) == {"ann": "null"}
    assert client.frames == []


async def test_store_that_began_anew_is_told_of_all(alone: Process) -> None:
    await alone.join(Client("1"), "ann")
    await alone.join(Client("2"), "bob")
    alone.store.store = MemoryWorld().store
    await alone.keeper.refresh()
    assert await members(alone) == {"ann": "null", "bob": "null"}


async def test_leave_that_fails_comes_when_it_expires() -> None:
    world = MemoryWorld()
    process = Process(world.store)
    client, again = Client("1"), Client("2")
    await process.join(client, "ann")
    await process.join(again, "bob")
    process.store.fails = "before"
    await process.keeper.leave(client.subscription)
    assert process.heard() == [joined("ann"), joined("bob")]
    process.store.fails = ""
    await world.advance(TTL)
    await process.keeper.refresh()
    assert process.heard() == [left("ann")]
    await process.keeper.close()


async def test_who_left_during_a_round_stays_away(alone: Process) -> None:
    client = Client("1")
    await alone.join(client)
    touch = alone.store.store.presence_touch

    async def leaves_meanwhile(*args: Any, **options: Any) -> Any:
        await alone.keeper.leave(client.subscription)
        return await touch(*args, **options)

    alone.store.presence_touch = leaves_meanwhile  # type: ignore[method-assign]
    await alone.keeper.refresh()
    assert alone.heard() == [joined("ann"), left("ann")]
    assert await members(alone) == {}


async def test_who_left_during_its_own_join_is_not_announced(alone: Process) -> None:
    client = Client("1")
    join = alone.store.store.presence_join

    async def leaves_meanwhile(*args: Any, **options: Any) -> Any:
        await alone.keeper.drop(client.subscription)
        return await join(*args, **options)

    alone.store.presence_join = leaves_meanwhile  # type: ignore[method-assign]
    await alone.join(client)
    assert (alone.said, alone.keeper.members) == ([], 0)


async def test_drop_while_the_store_is_away_ends_nothing(
    alone: Process, caplog: pytest.LogCaptureFixture
) -> None:
    client, other = Client("1"), Client("2")
    await alone.join(client)
    alone.store.fails = "before"
    with caplog.at_level(logging.WARNING):
        await alone.keeper.drop(client.subscription)
        await until(lambda: "1 clients do not linger: away" in caplog.text)
    alone.store.fails = ""
    await alone.join(other)
    alone.store.calls.clear()
    await alone.keeper.drop(other.subscription)
    await until(lambda: [name for name, _ in alone.store.calls] == ["presence_touch"])


async def test_layer_that_is_away_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(event: Event) -> None:
        raise ConnectionError("no layer")

    keeper = PresenceKeeper(MemoryWorld().store, CableSettings(), publish=fails)
    client = Client("1")
    await keeper.join(client.subscription, {"id": "ann"})
    await keeper.whisper(client.subscription, 1)
    await keeper.leave(client.subscription)
    assert caplog.text.count("ConnectionError: no layer") == 3
    assert client.frames == []
    await keeper.close()
