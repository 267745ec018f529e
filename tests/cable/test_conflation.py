"""Conflated streams: who is sent what, and when. Nothing here waits: the clock is ours."""

from __future__ import annotations

import asyncio
import logging

import pytest

from cable.conflation import Change, State
from cable.errors import StreamUnavailable
from tests.cable.viewing import Below, FakeViewer, World, change, changes, snapshot

#: Between two flushes.
INTERVAL = 0.25


async def watched(world: World, *, only: Below | None = None) -> FakeViewer:
    viewer = world.viewer()
    await world.stream.add(viewer, only)
    viewer.take()
    return viewer


async def let_run() -> None:
    """Tasks that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_snapshot_then_first_change_at_once() -> None:
    world, viewer = World(), None
    world.load(a=(1, 10), b=(1, 20))
    viewer = world.viewer()
    await world.stream.add(viewer)
    assert viewer.take() == [snapshot(a=10, b=20)]
    world.change(a=(2, 11))
    assert viewer.take() == [changes(a=11)]
    assert world.stream.viewers == 1


async def test_second_change_waits_for_the_window_and_only_the_latest_goes_out() -> None:
    world = World()
    viewer = await watched(world)
    world.change(a=(1, 1))
    viewer.take()
    for version in range(2, 10):
        world.change(a=(version, version), b=(version, version))
        world.clock.advance(1 / 64)
    assert viewer.take() == []
    world.clock.advance(INTERVAL - 8 / 64)
    assert viewer.take() == [changes(a=9, b=9)]
    stats = world.stats
    assert (stats.delivered, stats.conflated, stats.filtered) == (3, 14, 0)


async def test_quiet_stream_has_no_timer() -> None:
    world = World()
    viewer = await watched(world)
    assert world.clock.calls == []
    world.change(a=(1, 1))
    assert world.clock.calls == []
    world.change(a=(2, 2))
    assert [call.when for call in world.clock.calls] == [world.clock.time() + INTERVAL]
    world.clock.advance(INTERVAL)
    assert viewer.take() == [changes(a=1), changes(a=2)]
    assert world.clock.calls == []


async def test_old_and_equal_versions_are_ignored() -> None:
    world = World()
    viewer = await watched(world)
    world.change(a=(5, 5))
    world.change(a=(5, 6))
    world.change(a=(4, 4))
    world.change(a=(4, None))
    world.clock.advance(1)
    assert viewer.take() == [changes(a=5)]


async def test_removal_is_told_once_and_only_to_who_knows_the_key() -> None:
    world = World()
    world.load(a=(1, 1), b=(1, 50))
    all_of_it, part = await watched(world), await watched(world, only=Below(10))
    world.change(b=(2, None))
    assert all_of_it.take() == [changes("b")]
    world.clock.advance(1)
    world.change(b=(3, None), a=(2, None))
    assert all_of_it.take() == [changes("a")]
    assert part.take() == [changes("a")]
    # What comes after its removal but happened before does not bring it back.
    world.change(a=(1, 7))
    world.clock.advance(1)
    assert all_of_it.take() == part.take() == []
    stats = world.stats
    assert (stats.delivered, stats.conflated, stats.filtered) == (3, 0, 3)


async def test_key_that_comes_and_goes_between_two_flushes_is_not_told() -> None:
    world = World()
    viewer = await watched(world)
    world.change(a=(1, 1))
    world.change(b=(1, 1))
    world.change(b=(2, None))
    world.clock.advance(1)
    assert viewer.take() == [changes(a=1)]
    stats = world.stats
    assert (stats.delivered, stats.conflated, stats.filtered) == (1, 1, 1)


async def test_key_that_leaves_the_filter_is_removed() -> None:
    world = World()
    world.load(a=(1, 1), b=(1, 50))
    viewer = await watched(world, only=Below(10))
    assert viewer.items == {"a": {"x": 1}}
    world.change(a=(2, 60), b=(2, 61))
    assert viewer.take() == [changes("a")]
    world.clock.advance(1)
    world.change(a=(3, 70), b=(3, 3))
    assert viewer.take() == [changes(b=3)]


async def test_slow_viewer_gets_one_frame_with_the_latest() -> None:
    world = World()
    world.load(a=(1, 1), b=(1, 1), c=(1, 1))
    slow, quick = await watched(world), await watched(world)
    slow.behind = True
    for version in range(2, 6):
        world.change(a=(version, version))
        world.clock.advance(1)
    assert quick.take() == [changes(a=x) for x in range(2, 6)]
    world.change(b=(2, 2), c=(2, None), d=(2, 2))
    world.change(d=(3, None))
    world.clock.advance(1)
    assert slow.take() == []
    assert quick.take() == [changes("c", b=2, d=2), changes("d")]
    # That one is behind does not make the other wait.
    assert [time - 1000 for time in quick.times[1:]] == [0, 1, 2, 3, 4, 4.25]
    slow.behind = False
    world.clock.advance(INTERVAL)
    assert slow.take() == [changes("c", a=5, b=2)]
    assert slow.items == quick.items
    world.clock.advance(1)
    assert world.clock.calls == []
    world.change(a=(6, 6))
    # In step again: they share the frame.
    assert slow.frames[-1] is quick.frames[-1]


async def test_viewers_of_the_same_share_frames() -> None:
    world = World()
    viewers = [await watched(world) for _ in range(3)]
    part = [await watched(world, only=Below(10)) for _ in range(2)]
    other = world.viewer("b")
    await world.stream.add(other)
    world.change(a=(1, 1))
    assert len({id(viewer.frames[-1]) for viewer in viewers}) == 1
    assert part[0].frames[-1] is part[1].frames[-1]
    assert other.frames[-1] is not viewers[0].frames[-1]
    assert other.take()[-1] == changes(a=1)


async def test_viewer_that_comes_between_two_flushes_is_sent_nothing_twice() -> None:
    world = World()
    first = await watched(world)
    world.change(a=(1, 1))
    world.change(a=(2, 2))
    late = world.viewer()
    await world.stream.add(late)
    world.change(b=(1, 1))
    world.clock.advance(1)
    assert first.take() == [changes(a=1), changes(a=2, b=1)]
    assert late.take() == [snapshot(a=2), changes(b=1)]


async def test_pan_shows_the_new_view_at_once_and_takes_the_place_of_a_frame() -> None:
    world = World()
    world.load(a=(1, 1), b=(1, 50))
    viewer, other = await watched(world, only=Below(10)), await watched(world)
    world.change(a=(2, 2))
    viewer.take()
    world.change(a=(3, 3))
    world.clock.advance(0.125)
    world.stream.show_only(viewer, Below(100))
    assert viewer.take() == [snapshot(a=3, b=50)]
    # Panned again too soon: the last one counts, when it is its turn.
    world.stream.show_only(viewer, Below(2))
    world.stream.show_only(viewer, Below(20))
    world.change(b=(2, 5))
    world.clock.advance(0.125)
    assert viewer.take() == []
    assert other.take() == [changes(a=2), changes(a=3, b=5)]
    world.clock.advance(INTERVAL)
    assert viewer.take() == [snapshot(a=3, b=5)]


async def test_pan_of_a_slow_viewer_waits_until_it_is_free() -> None:
    world = World()
    world.load(a=(1, 1), b=(1, 50))
    viewer = await watched(world, only=Below(10))
    viewer.behind = True
    world.stream.show_only(viewer, None)
    world.change(b=(2, 51))
    world.clock.advance(1)
    assert viewer.take() == []
    viewer.behind = False
    world.clock.advance(INTERVAL)
    assert viewer.take() == [snapshot(a=1, b=51)]
    assert world.stats.conflated == 1


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


@pytest.mark.parametrize(
    ("state", "complaint"),
    [
        ({7: State(1, {"x": 1})}, "key 7 with version 1"),
        ({"7": State("1", {"x": 1})}, "key '7' with version '1'"),  # type: ignore[arg-type]
        ({"7": State(1, object())}, "object"),
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


async def test_large_snapshot_and_large_changes_come_in_parts_one_a_flush() -> None:
    world = World(max_payload_bytes=400)
    world.load(**{f"key{number:02}": (1, number) for number in range(50)})
    viewer = world.viewer()
    await world.stream.add(viewer)
    assert [message["type"] for message in viewer.messages] == ["snapshot"]
    world.change(key00=(2, 100))
    world.clock.advance(10)
    assert {message["type"] for message in viewer.messages[1:]} == {"changes"}
    assert len(viewer.items) == 50
    assert viewer.items["key00"] == {"x": 100}
    before = len(viewer.take())
    world.change(**{f"key{number:02}": (3, None if number < 20 else 7) for number in range(50)})
    assert len(viewer.take()) == 1
    world.clock.advance(10)
    assert viewer.items == {f"key{number:02}": {"x": 7} for number in range(20, 50)}
    overhead = len(viewer.prefix) + 1
    assert max(frame.size for frame in viewer.frames) <= 400 + overhead
    assert min(b - a for a, b in zip(viewer.times, viewer.times[1:], strict=False)) >= 0
    assert before > 3
    stats = world.stats
    assert (stats.delivered, stats.conflated, stats.filtered) == (51, 0, 0)
    assert world.clock.calls == []


async def test_part_of_a_snapshot_waits_for_a_slow_viewer() -> None:
    world = World(max_payload_bytes=400)
    world.load(**{f"key{number:02}": (1, number) for number in range(50)})
    viewer = world.viewer()
    viewer.behind_after_frame = True
    await world.stream.add(viewer)
    world.clock.advance(5)
    assert len(viewer.take()) == 1
    viewer.behind = False
    world.clock.advance(5)
    assert len(viewer.take()) == 1
    # A new view makes an end of the old one.
    viewer.behind = viewer.behind_after_frame = False
    world.stream.show_only(viewer, Below(2))
    world.clock.advance(5)
    assert viewer.take() == [snapshot(key00=0, key01=1)]


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


async def test_viewer_that_left_gets_nothing_and_its_changes_are_counted() -> None:
    world = World()
    viewer, other = await watched(world), await watched(world)
    world.change(a=(1, 1))
    world.change(a=(2, 2), b=(2, 2))
    world.stream.remove(viewer)
    world.stream.remove(viewer)
    world.clock.advance(1)
    assert viewer.take() == [changes(a=1)]
    assert other.take() == [changes(a=1), changes(a=2, b=2)]
    stats = world.stats
    assert (stats.delivered, stats.conflated, stats.filtered, stats.left) == (4, 0, 0, 2)


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
