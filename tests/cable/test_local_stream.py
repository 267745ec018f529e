"""One stream in one process: in order, once, without gaps; and what the store forgot is said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cable import envelope, local_stream
from cable.conf import CableSettings
from cable.local_stream import LocalStream
from cable.stats import stats
from cable.store import StoreError
from cable.timeline import Since
from tests.cable.polling import until
from tests.cable.sink import Sink
from tests.cable.unruly import OPTIONS, UnrulyStore

REJECT_HISTORY = {"type": "reject_history", "identifier": "a"}


class Stream:
    """A stream of this process, its log, and a listener of each kind."""

    def __init__(self, store: UnrulyStore, **settings: Any) -> None:
        self.store = store
        self.local = LocalStream(
            "stream",
            history=OPTIONS,
            store=store,  # type: ignore[arg-type]
            settings=CableSettings(gap_wait=0.01, **settings),
            on_gap=lambda local: None,
        )
        self.base, self.sink = Sink(), Sink(extended=True)
        self.events: list[dict[str, Any]] = []

    async def begin(self) -> None:
        await self.local.start()
        self.local.add(self.base)
        self.local.add(self.sink)
        self.store.calls.clear()

    async def store_next(self, *, exclude: str = "") -> dict[str, Any]:
        """The event of a message that is stored, and not yet here."""
        number = len(self.events) + 1
        event = envelope.message("stream", f'{{"n":{number}}}', exclude=exclude)
        head = await self.store.world.store.append(
            "stream", event["message"], message_id=str(number), options=OPTIONS
        )
        self.events.append(envelope.positioned(event, head))
        return self.events[-1]

    @property
    def numbers(self) -> list[int]:
        assert self.base.messages == self.sink.messages
        return [message["n"] for message in self.sink.messages]


@pytest.fixture
async def stream(store: UnrulyStore) -> AsyncIterator[Stream]:
    stream = Stream(store)
    await stream.begin()
    yield stream
    stream.local.close()


async def test_what_comes_again_or_out_of_turn_is_put_in_order(stream: Stream) -> None:
    duplicates = stats.messages_duplicate
    first, second, third = [await stream.store_next() for _ in range(3)]
    for event in (first, first, third, second, second, third, first):
        stream.local.receive(event)
    assert stream.numbers == [1, 2, 3]
    assert [frame["offset"] for frame in stream.sink.received] == [1, 2, 3]
    assert stats.messages_duplicate - duplicates == 4


async def test_gap_is_read_from_the_store(stream: Stream) -> None:
    repaired = stats.messages_repaired
    first, _, third = [await stream.store_next() for _ in range(3)]
    stream.local.receive(first)
    stream.local.receive(third)
    assert stream.numbers == [1]
    await until(lambda: len(stream.sink.messages) == 3)
    assert stream.numbers == [1, 2, 3]
    assert stats.messages_repaired - repaired == 2
    stream.local.receive(await stream.store_next())
    assert stream.numbers == [1, 2, 3, 4]
    assert (stream.base.resyncs, stream.sink.resyncs) == (0, 0)


async def test_late_message_spares_the_store(stream: Stream) -> None:
    first, second = [await stream.store_next() for _ in range(2)]
    stream.local.receive(second)
    repair = stream.local._repairing
    assert repair is not None
    stream.local.receive(first)
    await repair
    assert stream.numbers == [1, 2]
    assert stream.store.calls == []


async def test_repair_waits_for_the_store(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_stream, "_RETRY", 0.01)
    stream.store.fails.add("read")
    _, second = [await stream.store_next() for _ in range(2)]
    stream.local.receive(second)
    await until(lambda: stream.store.calls.count("read") >= 3)
    assert stream.numbers == []
    stream.store.fails.clear()
    await until(lambda: len(stream.sink.messages) == 2)
    assert stream.numbers == [1, 2]


async def test_gap_that_the_store_cannot_fill_is_said(stream: Stream) -> None:
    stream.local.receive(await stream.store_next())
    await stream.store_next()
    await stream.store.world.advance(301_000)  # both are gone
    stream.local.receive(await stream.store_next())
    await until(lambda: stream.sink.resyncs)
    assert stream.numbers == [1, 3]
    kinds = [frame.get("type", frame.get("offset")) for frame in stream.sink.received]
    assert kinds == [1, "reject_history", 3]
    assert (stream.base.resyncs, stream.sink.resyncs) == (1, 1)


@pytest.mark.parametrize("lost", [1, 2])
async def test_store_that_forgot_its_newest_messages_is_found_out(
    stream: Stream, lost: int
) -> None:
    """It counts the next ones like those: a client that resumes would miss them."""
    for _ in range(3):
        stream.local.receive(await stream.store_next())
    epoch = await stream.store.epoch()
    stream.store.forget_newest(lost)
    await stream.store.world.advance(1000)
    event = await stream.store_next()
    assert event["offset"] == 4 - lost
    stream.local.receive(event)
    await until(lambda: stream.sink.resyncs)
    assert stream.numbers == [1, 2, 3]
    assert stream.sink.received[3:] == [REJECT_HISTORY]
    assert await stream.store.epoch() == stream.local.timeline.epoch != epoch
    stream.local.receive(await stream.store_next())
    assert stream.sink.received[-1]["offset"] == 1


async def test_store_that_forgot_what_came_out_of_turn_is_found_out(stream: Stream) -> None:
    stream.local.receive(await stream.store_next())
    _, third = [await stream.store_next() for _ in range(2)]
    stream.store.forget_newest(2)
    stream.local.receive(third)
    await until(lambda: stream.sink.resyncs)
    assert stream.numbers == [1]
    assert stream.sink.received[1:] == [REJECT_HISTORY]
    assert not stream.local.timeline.needs_read


@pytest.mark.parametrize("newer", [1, 2])
async def test_answer_that_newer_messages_overtook_is_not_taken_for_a_loss(
    stream: Stream, newer: int
) -> None:
    stream.local.receive(await stream.store_next())
    epoch = await stream.store.epoch()
    late = stream.store.late["head"] = asyncio.Event()
    stream.local.suspect()
    await until(lambda: "head" in stream.store.calls)
    await stream.store.world.advance(1000)
    for _ in range(newer):
        stream.local.receive(await stream.store_next())
    late.set()
    await until(lambda: not stream.local.timeline.needs_read)
    stream.local.receive(await stream.store_next())
    assert stream.numbers == list(range(1, newer + 3))
    assert len(stream.sink.frames) == newer + 2
    assert await stream.store.epoch() == epoch
    assert stream.sink.resyncs == 0


async def test_new_epoch_is_said_and_begins_from_its_first_message(stream: Stream) -> None:
    stream.local.receive(await stream.store_next())
    await stream.store.world.store.restart("stream", OPTIONS)
    await stream.store_next()
    stream.local.receive(await stream.store_next())
    await until(lambda: len(stream.sink.messages) == 3)
    assert stream.numbers == [1, 2, 3]
    kinds = [frame.get("type", frame.get("offset")) for frame in stream.sink.received]
    assert kinds == [1, "reject_history", 1, 2]


async def test_suspicion_without_a_loss_is_not_said(stream: Stream) -> None:
    stream.local.receive(await stream.store_next())
    stream.local.suspect()
    await until(lambda: not stream.local.timeline.needs_read)
    assert len(stream.sink.frames) == 1
    assert stream.sink.resyncs == 0


async def test_what_comes_before_the_start_is_not_forgotten_nor_told_twice(
    store: UnrulyStore,
) -> None:
    stream = Stream(store)
    first, second = [await stream.store_next() for _ in range(2)]
    gate = store.gate("head")
    starting = asyncio.create_task(stream.begin())
    await until(lambda: "head" in store.calls)
    third = await stream.store_next()
    stream.local.receive(second)
    stream.local.receive(third)
    store.forget_newest(1)  # so that the answer is older than what came
    gate.set()
    await starting
    assert stream.local.timeline.position == 3
    assert stream.sink.live_from == {"stream": (await store.epoch(), 3)}
    stream.local.receive(first)
    stream.local.receive(third)
    assert stream.numbers == []
    stream.local.close()


async def test_start_that_fails_can_be_tried_again(store: UnrulyStore) -> None:
    stream = Stream(store)
    store.fails.add("head")
    with pytest.raises(StoreError):
        await stream.begin()
    store.fails.clear()
    await stream.begin()
    stream.local.receive(await stream.store_next())
    assert stream.numbers == [1]


async def test_excluded_socket_gets_no_live_copy(stream: Stream) -> None:
    stream.base.sid, stream.sink.sid = "writer", "reader"
    stream.local.receive(await stream.store_next(exclude="writer"))
    stream.local.receive(await stream.store_next())
    assert stream.sink.messages == [{"n": 1}, {"n": 2}]
    assert stream.base.messages == [{"n": 2}]


async def test_excluded_socket_is_remembered_for_a_message_out_of_turn(stream: Stream) -> None:
    stream.base.sid, stream.sink.sid = "writer", "reader"
    first = await stream.store_next()
    stream.local.receive(await stream.store_next(exclude="writer"))
    stream.local.receive(first)
    assert stream.sink.messages == [{"n": 1}, {"n": 2}]
    assert stream.base.messages == [{"n": 1}]


async def test_excluded_socket_is_not_excluded_from_another_epochs_message(stream: Stream) -> None:
    stream.base.sid = "writer"
    event = await stream.store_next(exclude="writer")
    stream.local.receive(event)
    stream.local.receive(event)  # a repetition must leave nothing behind
    await stream.store.world.store.restart("stream", OPTIONS)
    stream.local.suspect()
    await until(lambda: stream.base.resyncs)
    stream.local.receive(event)  # and a late one neither
    second = await stream.store_next()
    assert second["offset"] == 1
    stream.local.receive(second)
    await until(lambda: stream.base.messages)
    assert stream.base.messages == [{"n": 2}]


async def test_copy_of_the_history_is_dropped_before_it_is_old(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.local.receive(await stream.store_next())
    since = Since(await stream.store.epoch(), 0, None)
    assert await stream.local.backlog(stream.sink, since) == []
    stream.local.mark_live(stream.sink)
    entries = await stream.local.backlog(stream.sink, since)
    assert [entry.offset for entry in entries or ()] == [1]
    assert stream.local.timeline.remembers
    await stream.store.world.advance(OPTIONS.age_ms + 1)  # too old, says the store
    loop = asyncio.get_running_loop()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now + OPTIONS.seconds / 10 - 0.5)
    stream.local.forget_old()
    entries = await stream.local.backlog(stream.sink, since)
    assert [entry.offset for entry in entries or ()] == [1]
    monkeypatch.setattr(loop, "time", lambda: now + OPTIONS.seconds / 10 + 0.5)
    assert await stream.local.backlog(stream.sink, since) is None
    stream.local.forget_old()
    assert stream.local.timeline.remembers  # what was read just now
    monkeypatch.setattr(loop, "time", lambda: now + OPTIONS.seconds / 5 + 1)
    stream.local.forget_old()
    assert not stream.local.timeline.remembers


async def test_repair_goes_on_when_whoever_began_it_is_gone(store: UnrulyStore) -> None:
    stream = Stream(store, max_pending_bytes=4000)
    await stream.local.start()
    stream.local.add(stream.sink)
    for number in range(10):
        await store.keep(f'{{"n":{number},"x":"{"y" * 900}"}}')
    since = Since(await store.epoch(), 10, None)
    stream.events += [{}] * 10
    asking = asyncio.create_task(stream.local.backlog(stream.sink, since))
    while not stream.local._outgoing:
        await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait([asking])
    await until(lambda: len(stream.sink.frames) == 10)
    stream.local.receive(await stream.store_next())
    await until(lambda: len(stream.sink.frames) == 11)
    stream.local.close()
