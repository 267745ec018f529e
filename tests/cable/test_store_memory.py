"""The memory store's own bounds, and which store a process gets."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from cable.store import Head, HistoryOptions, get_store
from cable.store.memory import PURGE_INTERVAL_MS, MemoryStore
from cable.store.valkey import ValkeyStore
from tests.cable.stores import MemoryWorld

OPTIONS = HistoryOptions(limit=3, seconds=300, meta_seconds=3600)


async def append(world: MemoryWorld, stream: str, message: str = "1") -> Head:
    return await world.store.append(stream, message, message_id="x", options=OPTIONS)


async def test_stream_unused_for_longest_is_forgotten_for_one_too_many() -> None:
    world = MemoryWorld(max_kept=3)
    for stream in "abc":
        await append(world, stream)
    await world.store.read("a", OPTIONS)
    await append(world, "d")
    assert [head is not None for head in await world.store.heads("abcd")] == [
        True,
        False,
        True,
        True,
    ]


async def test_session_and_presence_unused_for_longest_are_forgotten() -> None:
    world = MemoryWorld(max_kept=2)
    await world.store.save_sessions({"a": "1", "b": "2", "c": "3"}, seconds=60)
    assert [await world.store.load_session(sid) for sid in "abc"] == [None, "2", "3"]
    for stream in "abc":
        await world.store.presence_join(stream, "sid", id="ann", info="{}", seconds=60)
    found = [await world.store.presence_members(stream) for stream in "abc"]
    assert found == [{}, {"ann": "{}"}, {"ann": "{}"}]


async def test_logs_together_are_bounded() -> None:
    world = MemoryWorld(max_log_size=1000)
    for stream in "abc":
        await append(world, stream, "x" * 400)
    await world.advance(PURGE_INTERVAL_MS)
    assert [head is not None for head in await world.store.heads("abc")] == [False, True, True]
    for _ in range(10):  # dropped messages do not count
        await append(world, "b", "x" * 200)
    await world.advance(PURGE_INTERVAL_MS)
    assert None not in await world.store.heads("bc")


async def test_what_expired_is_dropped_though_nobody_asks_for_it() -> None:
    world = MemoryWorld()
    store = world.store
    assert isinstance(store, MemoryStore)
    await append(world, "quiet")
    await store.save_sessions({"a": "1"}, seconds=60)
    await store.presence_join("s", "sid", id="ann", info="{}", seconds=60)
    await world.advance(301_000)
    await store.load_session("other")
    assert (len(store._streams), len(store._sessions), len(store._present)) == (1, 0, 1)
    assert [stream.size for stream in store._streams.values()] == [0]
    await world.advance(3_600_000)
    await store.load_session("other")
    assert (len(store._streams), len(store._sessions), len(store._present)) == (0, 0, 0)


async def test_times_to_live_are_kept_to_the_millisecond() -> None:
    world = MemoryWorld()
    head = await append(world, "s")
    await world.store.save_sessions({"a": "1"}, seconds=60)
    await world.advance(59_999)
    assert await world.store.load_session("a") == "1"
    await world.advance(1)
    assert await world.store.load_session("a") is None
    await world.advance(3_600_000 - 60_001)
    assert await world.store.heads(["s"]) == [head]
    await world.advance(3_600_000)
    assert await world.store.heads(["s"]) == [None]


async def test_presence_leaves_nothing_behind() -> None:
    store = MemoryStore()
    await store.presence_join("s", "sid", id="ann", info="{}", seconds=60)
    assert await store.presence_leave("s", "sid") == "ann"
    assert len(store._present) == 0


async def test_times_never_go_back() -> None:
    world = MemoryWorld()
    first = await append(world, "s")
    await world.advance(-60_000)
    assert await append(world, "s") == first._replace(offset=2)
    restarted = await world.store.restart("s", OPTIONS)
    assert (await world.store.read("s", OPTIONS)).lost_ms == first.time_ms
    assert await append(world, "s") == Head(restarted.epoch, 1, first.time_ms)


def test_threads_may_share_it() -> None:
    store = MemoryStore()
    options = HistoryOptions(limit=10_000, seconds=300, meta_seconds=3600)

    async def append_many() -> None:
        for _ in range(500):
            await store.append("s", "1", message_id="x", options=options)

    threads = [threading.Thread(target=lambda: asyncio.run(append_many())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log = asyncio.run(store.read("s", options))
    assert [entry.offset for entry in log.entries] == list(range(1, 4001))


def test_process_has_one_store_in_memory_by_default(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cable.store._store", None)  # another test may have put its own there
    settings.CABLE = {}
    assert isinstance(get_store(), MemoryStore)
    assert get_store() is get_store()


async def test_store_is_the_server_of_the_setting(settings: Settings) -> None:
    settings.CABLE = {"store": os.environ["REDIS_URL"], "store_prefix": "mine"}
    store = get_store()
    assert isinstance(store, ValkeyStore)
    await store.save_sessions({"sid": "1"}, seconds=60)
    settings.CABLE = {"store": os.environ["REDIS_URL"], "store_prefix": "other"}
    other = get_store()
    assert await other.load_session("sid") is None
    assert await store.load_session("sid") == "1"
    await store.delete_sessions(["sid"])
    await store.close()
    await other.close()


@pytest.mark.parametrize("value", ["memry", "http://user:secret@127.0.0.1/", ""])
def test_mistake_is_named_without_the_password(settings: Settings, value: str) -> None:
    settings.CABLE = {"store": value}
    with pytest.raises(ImproperlyConfigured, match=r'^CABLE\["store"\] must be "memory" or ') as e:
        get_store()
    assert "secret" not in str(e.value)


def test_forked_child_gets_a_store_of_its_own(settings: Settings) -> None:
    settings.CABLE = {}
    parents = get_store()
    pid = os.fork()
    if pid == 0:
        os._exit(0 if get_store() is not parents else 1)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert get_store() is parents
