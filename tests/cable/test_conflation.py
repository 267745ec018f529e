"""Conflated streams: what viewers are sent, and when. Nothing waits: the clock is ours."""

from __future__ import annotations

from tests.cable.viewing import INTERVAL, Below, World, changes, snapshot, watched


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
    # They make nobody look at the viewers either.
    viewer.behind = True
    world.change(a=(6, 6))
    world.clock.advance(INTERVAL + 1 / 64)
    viewer.behind = False
    world.change(a=(5, 5))
    assert viewer.take() == []
    world.clock.advance(INTERVAL)
    assert viewer.take() == [changes(a=6)]


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


async def test_changes_that_nobody_sees_are_looked_at_together_too() -> None:
    world = World()
    seen: list[int] = []

    def nothing(value: dict[str, int]) -> bool:
        seen.append(value["x"])
        return False

    await world.stream.add(world.viewer(), nothing)
    for version in range(1, 10):
        world.change(a=(version, version))
    assert seen == [1]
    world.clock.advance(INTERVAL)
    assert seen == [1, 9]
