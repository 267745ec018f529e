"""The Valkey store: its keys, and what happens when the server does not do its part."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from cable.store import Entry, HistoryOptions, Log, StoreError, scripts
from cable.store.scripts import Script
from cable.store.valkey import ValkeyStore
from sera.services.ports import unused
from sera.services.valkey import ValkeyServer
from tests.cable.polling import until
from tests.cable.stores import ValkeyWorld

OPTIONS = HistoryOptions(limit=3, seconds=300, meta_seconds=3600)


@pytest.fixture
async def world() -> AsyncIterator[ValkeyWorld]:
    world = ValkeyWorld()
    yield world
    await world.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """One that may be stopped. In the clone, where a server's own user may enter."""
    folder = Path(os.environ["DATA_DIR"]) / "store-valkey"
    server = ValkeyServer(folder, unused(), durable=False)
    server.start()
    yield server
    server.stop()


async def append(store: ValkeyStore, message: str, *, again: bool = False) -> int:
    head = await store.append(
        "s", message, message_id=f"id-{message}", options=OPTIONS, again=again
    )
    return head.offset


async def test_keys_are_named_for_the_stream_and_expire(world: ValkeyWorld) -> None:
    store = world.store
    await store.append("room.1", "1", message_id="x", options=OPTIONS)
    await store.presence_join("room.1", "sid", id="ann", info="{}", seconds=60)
    await store.save_sessions({"sid": "{}"}, seconds=60)
    # Names with braces would tear a cluster's hash tag apart.
    for name in ("{x}", "}", "a b", "ü", "#", "x" * 101):
        await store.head(name, OPTIONS)
    lives = {
        key.removeprefix(world.prefix): await world.client.pttl(key) for key in await world.keys()
    }
    expected = {
        ":{room.1}:meta": 3_600_000,
        ":{room.1}:log": 300_000,
        ":{room.1}:present": 3_660_000,
        ":{room.1}:present-expiry": 3_660_000,
        ":{room.1}:present-ids": 3_660_000,
        ":session:sid": 60_000,
    }
    odd = set(lives) - set(expected)
    assert len(odd) == 6
    for key in odd:
        assert key.startswith(":{#") and key.endswith("}:meta") and key.count("{") == 1
        assert len(key) < 80
    for key, life in expected.items():
        assert life - 20_000 < lives[key] <= life


async def test_log_is_a_stream_with_offsets_as_ids(world: ValkeyWorld) -> None:
    head = await world.store.append("s", '"1"', message_id="x", options=OPTIONS)
    assert await world.client.xrange(f"{world.prefix}:{{s}}:log") == [
        ("1-0", {"time": str(head.time_ms), "id": "x", "message": '"1"'})
    ]


async def test_presence_leaves_no_keys_behind(world: ValkeyWorld) -> None:
    await world.store.presence_join("s", "sid", id="ann", info="{}", seconds=60)
    assert await world.store.presence_leave("s", "sid") == "ann"
    assert await world.keys() == []


async def test_scripts_are_loaded_again_when_the_server_forgot_them(world: ValkeyWorld) -> None:
    assert await append(world.store, "1") == 1
    await world.client.script_flush()
    assert await append(world.store, "2") == 2
    await world.client.script_flush()
    assert [head and head.offset for head in await world.store.heads(["s", "t"])] == [2, None]
    assert (await world.client.script_exists(scripts.APPEND.sha)) == [False]


async def test_lost_data_is_told_apart(world: ValkeyWorld) -> None:
    await append(world.store, "1")
    before = await world.store.head("s", OPTIONS)
    await world.client.delete(f"{world.prefix}:{{s}}:log")  # as an eviction does
    assert await world.store.read("s", OPTIONS) == Log(before, before.time_ms, [])
    assert await append(world.store, "2") == 2
    await world.client.delete(f"{world.prefix}:{{s}}:meta")
    assert await world.store.heads(["s"]) == [None]
    log = await world.store.read("s", OPTIONS)
    assert log.head.epoch != before.epoch
    assert (log.head.offset, log.lost_ms, log.entries) == (0, 0, [])
    assert await append(world.store, "3") == 1


async def test_times_never_go_back(world: ValkeyWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await world.store.append("s", "1", message_id="1", options=OPTIONS)
    late = scripts.APPEND.text.replace(scripts.CLOCK, f"{scripts.CLOCK}\nnow = now - 60000\n")
    monkeypatch.setattr(scripts, "APPEND", Script(late))
    second = await world.store.append("s", "2", message_id="2", options=OPTIONS)
    assert second.time_ms == first.time_ms
    restarted = await world.store.restart("s", OPTIONS)
    lost_ms = (await world.store.read("s", OPTIONS)).lost_ms
    third = await world.store.append("s", "3", message_id="3", options=OPTIONS)
    assert third == restarted._replace(offset=1, time_ms=lost_ms)


async def test_connections_are_bounded(world: ValkeyWorld) -> None:
    store = ValkeyStore(
        f"{world.url}?client_name={world.prefix}",
        prefix=world.prefix,
        max_connections=3,
        timeout=5,
    )
    await asyncio.gather(*(append(store, f"{number}") for number in range(1000)))
    names = [client["name"] for client in await world.client.client_list()]
    assert names.count(world.prefix) == 3
    assert (await store.head("s", OPTIONS)).offset == 1000
    await store.close()
    names = [client["name"] for client in await world.client.client_list()]
    assert names.count(world.prefix) == 0


async def test_one_connection_serves_call_after_call(world: ValkeyWorld) -> None:
    store = ValkeyStore(world.url, prefix=world.prefix, max_connections=1, timeout=5)
    assert [await append(store, f"{number}") for number in range(20)] == list(range(1, 21))
    await store.close()


async def test_each_event_loop_has_its_own_connections(world: ValkeyWorld) -> None:
    assert await append(world.store, "1") == 1
    offsets: list[int] = []

    async def elsewhere() -> None:
        offsets.append(await append(world.store, "2"))
        await world.store.close()

    for _ in range(2):
        thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
        thread.start()
        await asyncio.to_thread(thread.join)
    assert offsets == [2, 3]
    assert await append(world.store, "4") == 4


async def test_lost_connection_is_opened_again(world: ValkeyWorld) -> None:
    assert await append(world.store, "1") == 1
    await world.client.client_kill_filter(_type="normal", skipme=True)
    # The first call may notice only now that its connection is gone.
    with contextlib.suppress(StoreError):
        await append(world.store, "2")
    assert await append(world.store, "2", again=True) == 2
    assert await append(world.store, "3") == 3


async def test_absent_server_is_an_error_without_its_password() -> None:
    port = unused()
    url = f"redis://user:secret@127.0.0.1:{port}/3?password=hidden"
    store = ValkeyStore(url, prefix="p", max_connections=2, timeout=1)
    calls = [
        store.append("s", "1", message_id="1", options=OPTIONS),
        store.head("s", OPTIONS),
        store.heads(["s"]),
        store.read("s", OPTIONS),
        store.restart("s", OPTIONS),
        store.save_sessions({"a": "b"}, seconds=1),
        store.touch_sessions(["a"], seconds=1),
        store.load_session("a"),
        store.delete_sessions(["a"]),
        store.presence_join("s", "a", id="b", info="{}", seconds=1),
        store.presence_leave("s", "a"),
        store.presence_expire("s", "a", seconds=1),
        store.presence_touch([("s", "a")], seconds=1),
        store.presence_sweep("s"),
        store.presence_members("s"),
    ]
    for result in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(result, StoreError)
        assert str(result).startswith(f"redis://127.0.0.1:{port}/3: ConnectionError: ")
        assert "secret" not in str(result) and "hidden" not in str(result)
    await store.close()


async def test_command_without_an_answer_is_not_sent_again() -> None:
    """By itself: the store's caller says whether it may have run."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.read(65536):
            seen.append(request)
            if b"GET" in request:
                break
            writer.write(b"+OK\r\n" * request.count(b"CLIENT"))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        store = ValkeyStore(f"redis://127.0.0.1:{port}/0", prefix="p", max_connections=2, timeout=5)
        with pytest.raises(StoreError, match="ConnectionError"):
            await store.load_session("sid")
        await store.close()
    assert sum(b"GET" in request for request in seen) == 1


async def test_servers_error_is_an_error(world: ValkeyWorld) -> None:
    await world.client.set(f"{world.prefix}:{{s}}:meta", "no hash", px=60_000)
    with pytest.raises(StoreError, match="WRONGTYPE"):
        await world.store.head("s", OPTIONS)
    bad, good = await asyncio.gather(
        append(world.store, "1"),
        world.store.append("t", "1", message_id="1", options=OPTIONS),
        return_exceptions=True,
    )
    assert isinstance(bad, StoreError)
    assert not isinstance(good, BaseException) and good.offset == 1


async def test_text_that_has_no_encoding_is_the_callers_error_alone(world: ValkeyWorld) -> None:
    bad, good = await asyncio.gather(
        append(world.store, "\ud800"), append(world.store, "1"), return_exceptions=True
    )
    assert isinstance(bad, UnicodeEncodeError)
    assert good == 1


async def test_silent_server_is_given_up_in_time_and_nothing_is_mixed_up(
    server: ValkeyServer,
) -> None:
    store = ValkeyStore(server.url, prefix="silent", max_connections=2, timeout=0.3)
    assert await append(store, "1") == 1
    pid = int((server.files / "pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        calls: list[Awaitable[object]] = [append(store, "2")]
        calls += [store.load_session("x") for _ in range(300)]
        # Both connections are busy with the others: this is given up before it is sent.
        calls.append(append(store, "unsent"))
        results = await asyncio.gather(*calls, return_exceptions=True)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert {type(result) for result in results} == {StoreError}
    assert str(results[0]).endswith(": no answer in 0.3 s")
    patient = ValkeyStore(server.url, prefix="silent", max_connections=2, timeout=10)
    assert await append(patient, "2", again=True) == 2
    await store.save_sessions({"x": "mine"}, seconds=60)
    assert await store.load_session("x") == "mine"
    log = await patient.read("s", OPTIONS)
    assert [entry.message for entry in log.entries] == ["1", "2"]
    await store.close()
    await patient.close()


async def test_restarted_server_is_found_again_and_known_to_be_empty(
    server: ValkeyServer,
) -> None:
    store = ValkeyStore(server.url, prefix="restarted", max_connections=2, timeout=5)
    assert await append(store, "1") == 1
    epoch = (await store.head("s", OPTIONS)).epoch
    await asyncio.to_thread(server.stop)
    with pytest.raises(StoreError):
        await append(store, "2")
    await asyncio.to_thread(server.start)
    again = ValkeyStore(server.url, prefix="restarted", max_connections=2, timeout=5)
    assert await again.heads(["s"]) == [None]
    head = await again.append("s", "2", message_id="2", options=OPTIONS, again=True)
    assert (head.offset, head.epoch == epoch) == (1, False)
    assert (await store.read("s", OPTIONS)).entries == [Entry(1, head.time_ms, "2")]
    await store.close()
    await again.close()


async def test_who_waits_while_it_closes_is_told(server: ValkeyServer) -> None:
    store = ValkeyStore(server.url, prefix="closing", max_connections=1, timeout=60)
    assert await append(store, "1") == 1
    async with Redis.from_url(server.url) as client:
        await client.execute_command("CLIENT", "PAUSE", "60000", "WRITE")
        calls = [asyncio.create_task(append(store, f"{number}")) for number in range(300)]
        await until(lambda: store._connections()._waiting)
        await store.close()
        results = await asyncio.gather(*calls, return_exceptions=True)
        await client.execute_command("CLIENT", "UNPAUSE")
    assert {str(result) for result in results} == {f"{store.name}: closed"}
