"""Conflated streams: viewers that are slow, look elsewhere, or see more than fits a frame."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cable.viewing import INTERVAL, Below, World, changes, snapshot, watched


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


async def test_slow_viewer_is_not_told_of_a_removal_before_it_is_free() -> None:
    world = World()
    world.load(a=(1, 1))
    viewer = await watched(world)
    viewer.behind = True
    world.change(a=(2, None))
    world.clock.advance(1)
    assert viewer.take() == []
    viewer.behind = False
    world.clock.advance(INTERVAL)
    assert viewer.take() == [changes("a")]


async def test_nobody_is_waited_for_when_there_is_nothing_to_tell() -> None:
    world = World()
    world.load(a=(1, 50))
    viewer = await watched(world, only=Below(10))
    viewer.behind = True
    world.change(a=(2, 51))
    world.change(b=(1, 52))
    world.clock.advance(INTERVAL)
    assert world.clock.calls == []
    assert world.stats.filtered == 2


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


async def test_pan_takes_the_place_of_a_frame_when_others_change_the_rhythm() -> None:
    world = World()
    viewer = await watched(world)
    world.change(a=(1, 1))
    world.clock.advance(1 / 64)
    world.stream.show_only(viewer, Below(10))
    world.clock.advance(17 / 64)
    world.change(a=(2, 2))
    world.clock.advance(1)
    assert viewer.take() == [changes(a=1), snapshot(a=1), changes(a=2)]
    assert [time - 1000 for time in viewer.times[1:]] == [0, 1 / 64, 34 / 64]


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
    assert (world.stats.filtered, world.stats.conflated) == (1, 0)  # by its filter of then


async def test_of_many_pans_between_two_flushes_the_last_is_looked_at() -> None:
    world = World()
    world.load(**{f"key{number:03}": (1, number) for number in range(200)})
    viewer = await watched(world, only=Below(10))
    looked: list[int] = []

    class Counting(Below):
        def __call__(self, value: Any) -> bool:
            looked.append(self.limit)
            return super().__call__(value)

    world.stream.show_only(viewer, Below(20))
    assert len(viewer.take()[0]["items"]) == 20
    for limit in range(100, 150):
        world.stream.show_only(viewer, Counting(limit))
    assert viewer.take() == []
    world.clock.advance(2 * INTERVAL)
    assert len(viewer.take()[0]["items"]) == 149
    assert set(looked) == {149}


async def test_pan_to_a_filter_that_fails_later_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(value: Any) -> bool:
        raise LookupError("a bug")

    world = World()
    world.load(a=(1, 1), b=(1, 50))
    viewer = await watched(world, only=Below(10))
    world.stream.show_only(viewer, Below(20))
    viewer.take()
    world.stream.show_only(viewer, fails)
    world.change(a=(2, 2))
    world.clock.advance(2 * INTERVAL)
    assert [message["items"] for message in viewer.take()] == [{"a": {"x": 2}}]
    assert "filter" in caplog.text


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
    # A new state or view makes an end of the old one.
    viewer.behind = viewer.behind_after_frame = False
    world.load(key00=(2, 0), key01=(2, 1))
    await world.stream.reload()
    assert viewer.take() == [snapshot(key00=0, key01=1)]
    world.load(**{f"key{number:02}": (3, number) for number in range(50)})
    await world.stream.reload()
    world.clock.advance(INTERVAL)
    assert len(viewer.take()) == 1
    world.stream.show_only(viewer, Below(2))
    world.clock.advance(5)
    assert viewer.take() == [snapshot(key00=0, key01=1)]


async def test_new_view_that_has_to_wait_comes_with_the_next_flush() -> None:
    world = World()
    viewer = await watched(world)
    world.change(a=(1, 1))
    world.clock.advance(1 / 16)
    viewer.behind = True
    world.stream.show_only(viewer, Below(10))
    viewer.behind = False
    world.clock.advance(3 / 16)
    assert viewer.take() == [changes(a=1), snapshot(a=1)]


async def test_new_key_that_goes_before_it_fits_a_frame_is_not_told() -> None:
    world = World(max_payload_bytes=400)
    viewer = await watched(world)
    world.change(**{f"key{number:02}": (1, number) for number in range(50)})
    told = set(viewer.items)
    assert 0 < len(told) < 50
    viewer.take()
    world.change(**{f"key{number:02}": (2, None) for number in range(50)})
    world.clock.advance(10)
    removed = [key for message in viewer.take() for key in message.get("removed", ())]
    assert sorted(removed) == sorted(told)
    stats = world.stats
    assert (stats.delivered, stats.conflated) == (2 * len(told), 50 - len(told))
    assert stats.filtered == 50 - len(told)
