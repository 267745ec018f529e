"""What both stores promise; each test runs on memory and on a real Valkey."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from cable.store import Entry, Head, HistoryOptions, Log, Store, scripts
from tests.cable.stores import MemoryWorld, ValkeyWorld, World, shifted_scripts

MINUTE = 60_000
#: Three messages, five minutes; metadata an hour.
OPTIONS = HistoryOptions(limit=3, seconds=300, meta_seconds=3600)


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


async def append(store: Store, *messages: str, options: HistoryOptions = OPTIONS) -> list[Head]:
    return [
        await store.append("s", message, message_id=f"id-{message}", options=options)
        for message in messages
    ]


async def test_message_takes_the_next_offset_and_the_stores_time(world: World) -> None:
    before = await world.now()
    first, second = await append(world.store, "1", "2")
    after = await world.now()
    assert (first.offset, second.offset) == (1, 2)
    assert first.epoch == second.epoch
    assert before <= first.time_ms <= second.time_ms <= after
    assert await world.store.head("s", OPTIONS) == second
    assert await world.store.read("s", OPTIONS) == Log(
        second, 0, [Entry(1, first.time_ms, "1"), Entry(2, second.time_ms, "2")]
    )


async def test_streams_are_apart(store: Store) -> None:
    one = await store.append("{a}", "1", message_id="x", options=OPTIONS)
    other = await store.append("a", "2", message_id="x", options=OPTIONS)
    assert one.offset == other.offset == 1
    assert one.epoch != other.epoch
    assert (await store.read("{a}", OPTIONS)).entries == [Entry(1, one.time_ms, "1")]
    assert (await store.read("a", OPTIONS)).entries == [Entry(1, other.time_ms, "2")]


async def test_unknown_stream_gets_an_epoch_and_keeps_it(store: Store) -> None:
    head = await store.head("s", OPTIONS)
    assert (head.offset, head.time_ms) == (0, 0)
    assert head.epoch
    assert await store.head("s", OPTIONS) == head
    assert await store.read("s", OPTIONS) == Log(head, 0, [])
    assert [new.epoch for new in await append(store, "1")] == [head.epoch]


async def test_read_begins_after_an_offset(store: Store) -> None:
    await append(store, "1", "2", "3")
    for after, offsets in [(-1, [1, 2, 3]), (0, [1, 2, 3]), (2, [3]), (3, []), (2**70, [])]:
        log = await store.read("s", OPTIONS, after=after)
        assert [entry.offset for entry in log.entries] == offsets
        assert log.head.offset == 3
        assert log.lost_ms == 0


async def test_the_oldest_beyond_the_limit_are_dropped(world: World) -> None:
    heads = []
    for message in "12345":
        heads += await append(world.store, message)
        await world.advance(1000)
    log = await world.store.read("s", OPTIONS)
    assert [entry.message for entry in log.entries] == ["3", "4", "5"]
    assert log.lost_ms == heads[1].time_ms


async def test_smaller_limit_drops_more_at_once(world: World) -> None:
    heads = []
    for message in "123":
        heads += await append(world.store, message)
        await world.advance(1000)
    smaller = HistoryOptions(limit=1, seconds=300, meta_seconds=3600)
    heads += await append(world.store, "4", options=smaller)
    log = await world.store.read("s", smaller)
    assert log == Log(heads[3], heads[2].time_ms, [Entry(4, heads[3].time_ms, "4")])


async def test_aged_messages_are_left_out_and_counted_as_lost(world: World) -> None:
    heads = []
    for message in "123":
        heads += await append(world.store, message)
        await world.advance(2 * MINUTE)
    log = await world.store.read("s", OPTIONS)  # ages: 6, 4 and 2 minutes
    assert [entry.message for entry in log.entries] == ["2", "3"]
    assert log.lost_ms == heads[0].time_ms
    await world.advance(2 * MINUTE)
    log = await world.store.read("s", OPTIONS, after=3)
    assert log == Log(heads[2], heads[1].time_ms, [])


async def test_quiet_stream_keeps_epoch_and_offset(world: World) -> None:
    heads = await append(world.store, "1", "2")
    await world.advance(6 * MINUTE)
    assert await world.store.read("s", OPTIONS, after=2) == Log(heads[1], heads[1].time_ms, [])
    (third,) = await append(world.store, "3")
    assert third.offset == 3
    assert third.epoch == heads[0].epoch
    log = await world.store.read("s", OPTIONS, after=0)
    assert log == Log(third, heads[1].time_ms, [Entry(3, third.time_ms, "3")])


@pytest.mark.parametrize("how", ["head", "heads", "read", "append"])
async def test_use_keeps_the_metadata(world: World, how: str) -> None:
    (first,) = await append(world.store, "1")
    for _ in range(3):
        await world.advance(40 * MINUTE)
        match how:
            case "head":
                await world.store.head("s", OPTIONS)
            case "heads":
                await world.store.heads(["s"])
            case "read":
                await world.store.read("s", OPTIONS)
            case "append":
                await append(world.store, "x")
    assert (await world.store.head("s", OPTIONS)).epoch == first.epoch


async def test_forgotten_stream_begins_anew(world: World) -> None:
    (first,) = await append(world.store, "1")
    await world.advance(61 * MINUTE)
    assert await world.store.heads(["s"]) == [None]
    log = await world.store.read("s", OPTIONS)
    assert log.head.epoch != first.epoch
    assert log == Log(Head(log.head.epoch, 0, 0), 0, [])


async def test_metadata_outlives_the_data_whatever_the_options_say(world: World) -> None:
    options = HistoryOptions(limit=3, seconds=300, meta_seconds=1)
    (first,) = await append(world.store, "1", options=options)
    await world.advance(4 * MINUTE)
    assert await world.store.read("s", options) == Log(first, 0, [Entry(1, first.time_ms, "1")])


async def test_heads_of_many(store: Store) -> None:
    (known,) = await append(store, "1")
    assert await store.heads(["s", "unknown", "s"]) == [known, None, known]
    assert await store.heads(["unknown"]) == [None]
    assert await store.heads([]) == []


async def test_retry_returns_what_the_first_try_appended(store: Store) -> None:
    heads = await append(store, "1", "2")
    again = await store.append("s", "1", message_id="id-1", options=OPTIONS, again=True)
    assert again == heads[0]
    assert (await store.head("s", OPTIONS)).offset == 2


async def test_retry_of_a_message_that_never_came_appends_it(store: Store) -> None:
    await append(store, "1")
    again = await store.append("s", "2", message_id="id-2", options=OPTIONS, again=True)
    assert again.offset == 2
    assert [entry.message for entry in (await store.read("s", OPTIONS)).entries] == ["1", "2"]


async def test_retry_looks_through_a_long_log(store: Store) -> None:
    options = HistoryOptions(limit=40, seconds=300, meta_seconds=3600)
    heads = await append(store, *(str(number) for number in range(40)), options=options)
    for number in (0, 7, 8, 23, 24, 39):
        assert heads[number] == await store.append(
            "s", "x", message_id=f"id-{number}", options=options, again=True
        )


async def test_without_again_an_id_may_repeat(store: Store) -> None:
    heads = await append(store, "1", "1")
    assert [head.offset for head in heads] == [1, 2]
    again = await store.append("s", "1", message_id="id-1", options=OPTIONS, again=True)
    assert again == heads[1]


async def test_restart_begins_a_new_epoch(world: World) -> None:
    heads = await append(world.store, "1", "2")
    await world.advance(1000)
    before = await world.now()
    restarted = await world.store.restart("s", OPTIONS)
    assert restarted == Head(restarted.epoch, 0, 0)
    assert restarted.epoch != heads[0].epoch
    log = await world.store.read("s", OPTIONS)
    assert log == Log(restarted, log.lost_ms, [])
    assert before <= log.lost_ms <= await world.now()
    (third,) = await append(world.store, "3")
    assert third == Head(restarted.epoch, 1, third.time_ms)
    assert (await world.store.read("s", OPTIONS)).lost_ms == log.lost_ms


async def test_restart_of_an_unknown_stream(store: Store) -> None:
    restarted = await store.restart("s", OPTIONS)
    assert await store.head("s", OPTIONS) == restarted == Head(restarted.epoch, 0, 0)


async def test_appends_at_once_all_get_offsets_of_their_own(store: Store) -> None:
    options = HistoryOptions(limit=100, seconds=300, meta_seconds=3600)
    heads = await asyncio.gather(
        *(store.append("s", f"{n}", message_id=f"{n}", options=options) for n in range(50))
    )
    assert sorted(head.offset for head in heads) == list(range(1, 51))
    log = await store.read("s", options)
    assert [(entry.offset, entry.message) for entry in log.entries] == sorted(
        (head.offset, str(number)) for number, head in enumerate(heads)
    )


async def test_message_arrives_as_it_was(store: Store) -> None:
    message = '{"text":"Zażółć 🚐 \\u0000 \u2028"}'
    await append(store, message)
    assert [entry.message for entry in (await store.read("s", OPTIONS)).entries] == [message]


async def test_sessions(world: World) -> None:
    store = world.store
    await store.save_sessions({"a": "1", "b": "2", "odd {sid}\ud800": "3"}, seconds=60)
    assert await store.load_session("a") == "1"
    assert await store.load_session("odd {sid}\ud800") == "3"
    assert await store.load_session("c") is None
    await store.save_sessions({"a": "4"}, seconds=60)
    assert await store.load_session("a") == "4"
    await store.delete_sessions(["a", "c"])
    assert await store.load_session("a") is None
    await world.advance(40_000)
    await store.touch_sessions(["b", "c"], seconds=60)
    await world.advance(40_000)
    assert await store.load_session("b") == "2"
    assert await store.load_session("c") is None
    assert await store.load_session("odd {sid}\ud800") is None
    await world.advance(40_000)
    assert await store.load_session("b") is None
    await store.save_sessions({}, seconds=60)
    await store.touch_sessions([], seconds=60)
    await store.delete_sessions([])


async def test_epoch_of_a_stream_without_a_message_is_kept_for_a_minute_or_its_age(
    world: World,
) -> None:
    """Whoever may name streams must not fill the store; but listeners renew what they hear."""
    for seconds, minutes in ((1, 1), (120, 2)):
        options = HistoryOptions(limit=3, seconds=seconds, meta_seconds=3600)
        name = f"unused.{seconds}"
        head = await world.store.head(name, options)
        await world.advance(minutes * MINUTE - 5_000)
        assert await world.store.heads([name]) == [head]  # which renews it
        await world.advance(minutes * MINUTE - 5_000)
        assert await world.store.head(name, options) == head
        await world.advance(minutes * MINUTE + 1_000)
        assert await world.store.heads([name]) == [None]
        used = await world.store.append(name, "1", message_id="x", options=options)
        await world.advance(50 * MINUTE)
        assert await world.store.heads([name]) == [used]
