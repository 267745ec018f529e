"""Presence in both stores; each test runs on memory and on a real Valkey."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from cable.store import Store, scripts
from cable.store.interface import SWEEP_LIMIT
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
def store(world: World) -> Store:
    return world.store


async def join(store: Store, sid: str, member: str, info: str = "{}") -> str:
    """For a minute."""
    return await store.presence_join("s", sid, id=member, info=info, seconds=60)


async def test_first_session_of_an_id_joins(store: Store) -> None:
    assert await join(store, "one", "ann") == "joined"
    assert await join(store, "two", "bob") == "joined"
    assert await join(store, "three", "ann") == "known"
    assert await store.presence_members("s") == {"ann": "{}", "bob": "{}"}
    assert await store.presence_members("other") == {}


async def test_last_session_of_an_id_leaves(store: Store) -> None:
    await join(store, "one", "ann")
    await join(store, "two", "ann")
    assert await store.presence_leave("s", "one") is None
    assert await store.presence_leave("s", "one") is None
    assert await store.presence_members("s") == {"ann": "{}"}
    assert await store.presence_leave("s", "two") == "ann"
    assert await store.presence_leave("s", "two") is None
    assert await store.presence_members("s") == {}
    assert await join(store, "two", "ann") == "joined"


async def test_repeated_join_refreshes_the_info(store: Store) -> None:
    await join(store, "one", "ann", '{"at":1}')
    assert await join(store, "one", "ann", '{"at":2}') == "known"
    assert await store.presence_members("s") == {"ann": '{"at":2}'}
    assert await store.presence_leave("s", "one") == "ann"


async def test_session_cannot_change_its_id(store: Store) -> None:
    await join(store, "one", "ann", '{"at":1}')
    assert await join(store, "one", "bob", '{"at":2}') == "mismatch"
    assert await store.presence_members("s") == {"ann": '{"at":1}'}
    assert await store.presence_join("t", "one", id="bob", info="{}", seconds=60) == "joined"


async def test_ids_that_begin_alike_are_apart(store: Store) -> None:
    """Also where the border between id and sid is what differs."""
    assert await join(store, "bc", "a") == "joined"
    assert await join(store, "c", "ab") == "joined"
    assert await join(store, "x", "a\0") == "joined"
    assert await join(store, "y", "") == "joined"
    assert await join(store, "z", "ü{}") == "joined"
    assert await store.presence_leave("s", "c") == "ab"
    assert await store.presence_leave("s", "bc") == "a"
    assert await store.presence_leave("s", "y") == ""
    assert await store.presence_members("s") == {"a\0": "{}", "ü{}": "{}"}


async def test_sweep_drops_who_expired(world: World) -> None:
    store = world.store
    await join(store, "one", "ann")
    await join(store, "two", "bob")
    assert await store.presence_sweep("s") == []
    await world.advance(40_000)
    sessions = [("s", "two"), ("s", "unknown"), ("t", "two")]
    assert await store.presence_touch(sessions, seconds=60) == [("s", "unknown"), ("t", "two")]
    await world.advance(30_000)
    assert await store.presence_members("s") == {"bob": "{}"}
    assert await store.presence_sweep("s") == ["ann"]
    assert await store.presence_sweep("s") == []
    assert await store.presence_touch([("s", "one")], seconds=60) == [("s", "one")]
    assert await store.presence_members("s") == {"bob": "{}"}
    await world.advance(40_000)
    assert await store.presence_sweep("s") == ["bob"]
    assert await store.presence_sweep("t") == []


async def test_touch_keeps_sessions_on_several_streams(world: World) -> None:
    store = world.store
    for stream in ("s", "t"):
        for sid in ("one", "two"):
            await store.presence_join(stream, sid, id=sid, info="{}", seconds=60)
    await world.advance(40_000)
    sessions = [("s", "one"), ("t", "one"), ("t", "two")]
    assert await store.presence_touch(sessions, seconds=60) == []
    assert await store.presence_touch([], seconds=60) == []
    await world.advance(40_000)
    assert await store.presence_members("s") == {"one": "{}"}
    assert await store.presence_members("t") == {"one": "{}", "two": "{}"}


async def test_session_without_a_socket_expires_earlier(world: World) -> None:
    store = world.store
    await join(store, "one", "ann")
    await store.presence_expire("s", "one", seconds=15)
    await store.presence_expire("s", "unknown", seconds=15)
    await world.advance(14_000)
    assert await store.presence_members("s") == {"ann": "{}"}
    assert await store.presence_sweep("s") == []
    await world.advance(2_000)
    assert await store.presence_members("s") == {}
    assert await store.presence_sweep("s") == ["ann"]


async def test_session_that_comes_back_in_time_stays(world: World) -> None:
    store = world.store
    await join(store, "one", "ann")
    await store.presence_expire("s", "one", seconds=15)
    await world.advance(10_000)
    assert await join(store, "one", "ann") == "known"
    await world.advance(10_000)
    assert await store.presence_sweep("s") == []
    assert await store.presence_members("s") == {"ann": "{}"}


async def test_id_that_comes_back_by_another_session_stays(world: World) -> None:
    store = world.store
    await join(store, "one", "ann")
    await store.presence_expire("s", "one", seconds=15)
    await world.advance(10_000)
    assert await join(store, "two", "ann") == "known"
    await world.advance(10_000)
    assert await store.presence_sweep("s") == []
    assert await store.presence_leave("s", "two") == "ann"


async def test_id_whose_sessions_expired_joins_again_before_a_sweep(world: World) -> None:
    """A subscriber who came meanwhile was not told of it."""
    store = world.store
    await join(store, "one", "ann")
    await world.advance(61_000)
    assert await join(store, "one", "bob") == "mismatch"
    assert await join(store, "two", "ann") == "joined"
    assert await store.presence_sweep("s") == []
    assert await store.presence_members("s") == {"ann": "{}"}


async def test_expired_session_delays_the_leave_to_its_sweep(world: World) -> None:
    store = world.store
    await join(store, "one", "ann")
    await join(store, "two", "ann")
    await store.presence_expire("s", "one", seconds=15)
    await world.advance(16_000)
    assert await store.presence_leave("s", "two") is None
    assert await store.presence_members("s") == {}
    assert await store.presence_sweep("s") == ["ann"]


async def test_id_is_swept_by_one_of_many(world: World) -> None:
    for number in range(30):
        await join(world.store, f"sid{number}", f"id{number // 2}")
    await world.advance(61_000)
    swept = await asyncio.gather(*(world.store.presence_sweep("s") for _ in range(8)))
    assert sorted(left for lefts in swept for left in lefts) == sorted(
        f"id{number}" for number in range(15)
    )


async def test_sweep_is_bounded(world: World) -> None:
    joins = (join(world.store, f"{number}", f"{number}") for number in range(SWEEP_LIMIT + 3))
    assert set(await asyncio.gather(*joins)) == {"joined"}
    await world.advance(61_000)
    assert len(await world.store.presence_sweep("s")) == SWEEP_LIMIT
    assert len(await world.store.presence_sweep("s")) == 3


async def test_stream_that_nobody_sweeps_is_forgotten(world: World) -> None:
    await join(world.store, "one", "ann")
    await world.advance(3_600_000)
    await world.store.presence_touch([("s", "one")], seconds=60)
    await world.advance(3_600_000)
    assert await join(world.store, "one", "ann") == "joined"
    await world.advance(3_661_000)
    assert await world.store.presence_sweep("s") == []


async def test_short_stay_does_not_end_a_long_one(world: World) -> None:
    await world.store.presence_join("s", "one", id="ann", info="{}", seconds=7200)
    await world.store.presence_join("s", "two", id="bob", info="{}", seconds=1)
    await world.advance(3_700_000)
    assert await world.store.presence_members("s") == {"ann": "{}"}
