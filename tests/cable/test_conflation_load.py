"""Conflated streams: where the state comes from, and its bounds."""

from __future__ import annotations

import asyncio
import logging

import pytest

from cable.conflation import Change, State
from cable.errors import StreamUnavailable
from tests.cable.viewing import INTERVAL, Below, World, change, changes, let_run, snapshot, watched


async def test_concurrent_adds_share_a_load_and_changes_meanwhile_count() -> None:
    world = World()
    world.load(a=(5, 5), b=(5, 5), c=(5, 5), gone=(5, 5))
    world.source.gate.clear()
    first, second = world.viewer(), world.viewer()
    adding = [asyncio.create_task(world.stream.add(viewer)) for viewer in (first, second)]
    await let_run()
    world.change(a=(6, 6), b=(4, 4), gone=(6, None), new=(1, 1))
    world.source.gate.set()
    await asyncio.gather(*adding)
    expected = [snapshot(a=6, b=5, c=5, new=1)]
    assert first.take() == second.take() == expected
    assert world.source.loads == 1


async def test_caller_that_gives_up_does_not_end_the_load_of_the_others() -> None:
    world = World()
    world.source.gate.clear()
    first, second = world.viewer(), world.viewer()
    giving_up = asyncio.create_task(world.stream.add(first))
    adding = asyncio.create_task(world.stream.add(second))
    await let_run()
    giving_up.cancel()
    await let_run()
    world.source.gate.set()
    await adding
    assert (first.take(), second.take()) == ([], [snapshot()])
    assert (world.stream.viewers, world.source.loads) == (1, 1)


async def test_failing_load_adds_nobody_and_is_tried_again() -> None:
    world = World()
    world.source.error = OSError("the database is down")
    viewer = world.viewer()
    with pytest.raises(OSError, match="the database is down"):
        await world.stream.add(viewer)
    assert (world.stream.viewers, viewer.frames) == (0, [])
    world.source.error = None
    await world.stream.add(viewer)
    assert viewer.take() == [snapshot()]


async def test_load_that_hangs_is_given_up() -> None:
    world = World(state_load_timeout=0.01)
    world.source.gate.clear()
    with pytest.raises(TimeoutError, match=r"state of stream map was not loaded within 0\.01 s"):
        await world.stream.add(world.viewer())
    assert world.stream.viewers == 0


async def test_timeout_of_the_application_is_its_own() -> None:
    world = World()
    world.source.error = TimeoutError("the database does not answer")
    with pytest.raises(TimeoutError, match="the database does not answer"):
        await world.stream.add(world.viewer())


@pytest.mark.parametrize(
    ("state", "complaint"),
    [
        ({7: State(1, {"x": 1})}, r"\[7\] = State.* must be text and a State"),
        (
            {"7": State("1", {"x": 1})},
            r"stream .*: what `load` returned: \['7'\] has version '1', no integer",
        ),  # type: ignore[arg-type]
        ({"7": State(1, object())}, "object"),
        ({"7": {"x": 1}}, r"\['7'\] = {'x': 1} must be text and a State"),  # type: ignore[dict-item]
    ],
)
async def test_state_of_a_wrong_type_is_an_error(state: dict[str, State], complaint: str) -> None:
    world = World()
    world.source.state = {"ok": State(1, {"x": 1}), **state}
    with pytest.raises(TypeError, match=complaint):
        await world.stream.add(world.viewer())
    world.source.state = {}
    viewer = world.viewer()
    await world.stream.add(viewer)
    assert viewer.take() == [snapshot()]


async def test_filter_that_fails_adds_nobody_and_later_spares_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.load(a=(1, 1))
    viewer, other = world.viewer(), await watched(world)
    with pytest.raises(KeyError):
        await world.stream.add(viewer, lambda value: bool(value["y"]))
    assert (world.stream.viewers, viewer.frames) == (1, [])
    await world.stream.add(viewer, Below(10))
    viewer.take()
    world.stream.apply([Change("b", 1, '{"y":1}'), change("c", 1, 1)])
    assert viewer.take() == [changes(c=1)]
    world.clock.advance(1)
    world.stream.apply([Change("b", 2, '{"y":2}')])
    assert other.messages.pop() == {"type": "changes", "items": {"b": {"y": 2}}}
    assert other.take() == [{"type": "changes", "items": {"b": {"y": 1}, "c": {"x": 1}}}]
    assert [record.getMessage() for record in caplog.records] == [
        'filter Below(limit=10) fails for "b":{"y":1}'
    ]


async def test_reload_merges_and_sends_a_snapshot() -> None:
    world = World()
    world.load(a=(1, 1), b=(1, 1), c=(1, 1))
    viewer, slow = await watched(world), await watched(world)
    slow.behind = True
    world.change(a=(9, 9))
    viewer.take()
    world.change(a=(10, 10))
    world.load(a=(3, 3), b=(2, 2), d=(1, 1))
    world.source.gate.clear()
    reloading = asyncio.create_task(world.stream.reload())
    await let_run()
    world.change(e=(1, 1))
    world.source.gate.set()
    await reloading
    assert viewer.take() == []
    world.clock.advance(INTERVAL)
    state = snapshot(a=10, b=2, d=1, e=1)
    assert viewer.take() == [state]
    slow.behind = False
    world.clock.advance(INTERVAL)
    assert slow.take() == [state]
    # c is gone; what comes late does not bring it back.
    world.change(c=(1, 1))
    world.clock.advance(1)
    assert viewer.take() == []
    stats = world.stats
    assert (stats.delivered, stats.conflated, stats.filtered, stats.left) == (1, 5, 0, 0)


async def test_concurrent_reloads_collapse_but_none_trusts_an_earlier_load() -> None:
    world = World()
    await watched(world)
    world.source.gate.clear()
    reloading = [asyncio.create_task(world.stream.reload()) for _ in range(5)]
    await let_run()
    assert world.source.loads == 2
    world.source.gate.set()
    await asyncio.gather(*reloading)
    # The first began before the others were asked for; one more serves them all.
    assert world.source.loads == 3


async def test_reload_that_fails_is_told_to_the_viewers() -> None:
    world = World()
    viewer = await watched(world)
    world.source.error = OSError("the database is down")
    with pytest.raises(OSError, match="the database is down"):
        await world.stream.reload()
    assert viewer.resyncs == 1
    # Who comes next does not get the old state.
    world.source.error = None
    world.load(a=(1, 1))
    other = world.viewer()
    await world.stream.add(other)
    assert other.items == viewer.items == {"a": {"x": 1}}


async def test_keys_beyond_the_bound_are_refused_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(max_conflated_keys=2)
    world.load(a=(1, 1), b=(1, 1), c=(1, 1))
    viewer = await watched(world)
    assert viewer.items == {"a": {"x": 1}, "b": {"x": 1}}
    world.change(d=(1, 1))
    world.change(a=(2, 2))
    assert viewer.take() == [changes(a=2)]
    assert world.stats.refused == 2
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (
            logging.ERROR,
            "stream map is incomplete: key 'c' is one too many; at most 2 "
            "(CABLE['max_conflated_keys'])",
        )
    ]
    world.clock.advance(10)
    world.change(b=(2, None), d=(2, 2))
    assert viewer.take() == [changes("b", d=2)]


async def test_removals_are_remembered_up_to_the_bound() -> None:
    world = World(max_conflated_keys=2)
    viewer = await watched(world)
    world.change(a=(5, None), b=(5, None))
    world.change(a=(6, None), c=(5, None))
    # Of b nothing is known any more.
    world.change(a=(5, 1), b=(4, 1), c=(4, 1))
    world.clock.advance(1)
    assert viewer.take() == [changes(b=1)]


async def test_value_that_fits_no_frame_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    world = World(max_payload_bytes=400)
    viewer = await watched(world)
    world.stream.apply([Change("a", 1, '"' + "é" * 150 + '"')])
    assert viewer.take() == []
    assert world.stats.refused == 1
    assert caplog.messages == [
        "stream map is incomplete: the value of key 'a' has 306 bytes; at most 272 "
        "(CABLE['max_payload_bytes'])"
    ]


async def test_closed_stream_sends_nothing_and_takes_nobody() -> None:
    world = World()
    viewer = await watched(world)
    world.change(a=(1, 1))
    world.change(a=(2, 2))
    world.source.gate.clear()
    reloading = asyncio.create_task(world.stream.reload())
    await let_run()
    world.stream.close()
    with pytest.raises(StreamUnavailable):
        await reloading
    with pytest.raises(StreamUnavailable):
        await world.stream.add(world.viewer())
    world.clock.advance(1)
    assert viewer.take() == [changes(a=1)]
    assert world.clock.calls == []
    assert (world.stream.viewers, world.stats.left) == (0, 1)
