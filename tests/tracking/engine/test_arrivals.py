"""Who is on site, since when and until when."""

from __future__ import annotations

import pytest

from tests.tracking.engine.track import SECOND, START, Track, go, site, tell
from tracking.engine import Arrived, Crossed, Departed, decode_state, encode_state

HERE = site(60.0, 25.0)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("sigma", "accuracy"), [(25, 25.0), (25, 10.0), (15, 5.0), (5, 5.0)])
@pytest.mark.parametrize("every", [1, 10, 60])
@pytest.mark.parametrize("beyond", [-10, 0])
def test_an_hour_of_noise_at_the_edge_is_one_arrival(
    beyond: float, every: float, sigma: float, accuracy: float, seed: int
) -> None:
    track = Track(every=every, sigma=sigma, accuracy=accuracy, seed=seed).jump(100 + beyond, 70)
    told = tell(track.fix().stay(3_600), [HERE])

    assert told.count(Arrived) == 1
    assert told.count(Departed) == 0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("sigma", [10, 25])
@pytest.mark.parametrize("every", [1, 10, 60])
def test_noise_just_beyond_the_edge_does_not_alternate(
    every: float, sigma: float, seed: int
) -> None:
    track = Track(every=every, sigma=sigma, accuracy=sigma, seed=seed).jump(110, 70)
    told = tell(track.fix().stay(3_600), [HERE])

    assert told.count(Arrived) <= 1
    assert told.count(Departed) == 0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("every", [1, 10, 60])
def test_who_parks_near_a_site_does_not_drive_through_it(every: float, seed: int) -> None:
    track = Track(every=every, sigma=25, accuracy=25, seed=seed).jump(160, 70)
    assert tell(track.fix().stay(3_600), [HERE]).events == []


def through(kmh: float, every: float, seconds: float, sigma: float = 0, seed: int = 1) -> Track:
    """Straight through the site's middle at half-time."""
    track = Track(every=every, sigma=sigma, seed=seed).jump(-kmh / 3.6 * seconds / 2)
    return track.fix().drive(kmh, seconds=seconds)


def test_driving_through_between_two_fixes_is_a_crossing() -> None:
    # The fixes before and after are two kilometres away.
    told = tell(through(50, 300, 1_500), [HERE])

    assert told.visits == [("Crossed", 1, pytest.approx(750.0, abs=1))]


def test_driving_by_between_two_fixes_is_none() -> None:
    lat, lon = go(60.0, 25.0, 90, 150)
    assert tell(through(50, 300, 1_500), [site(lat, lon)]).visits == []


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("sigma", [0, 3, 5])
@pytest.mark.parametrize("kmh", [40, 50, 100])
def test_driving_through_at_a_fix_a_second_is_a_crossing(
    kmh: float, sigma: float, seed: int
) -> None:
    told = tell(through(kmh, 1, 600, sigma=sigma, seed=seed), [HERE])

    (crossed,) = told.visits
    assert crossed[:2] == ("Crossed", 1)
    assert crossed[2] == pytest.approx(300 - 100 / (kmh / 3.6), abs=2)


@pytest.mark.parametrize("radius", [250, 500, 2_000])
@pytest.mark.parametrize("every", [1, 10])
def test_driving_through_a_wide_site_is_a_crossing(radius: float, every: float) -> None:
    """However long it takes."""
    told = tell(through(50, every, 900), [site(60.0, 25.0, radius=radius)])
    assert [(what, job) for what, job, _ in told.visits] == [("Crossed", 1)]


@pytest.mark.parametrize("every", [1, 5, 10, 20, 60])
def test_arrive_work_and_leave(every: float) -> None:
    track = Track(every=every).jump(-5_000).fix().drive(60, seconds=300)
    track.stay(2_400).drive(60, seconds=600)
    told = tell(track, [HERE])

    # The edge is 6 s from the middle, what may be noise ends 7.5 s from it.
    assert told.visits == [
        ("Arrived", 1, pytest.approx(300, abs=7)),
        ("Departed", 1, pytest.approx(2_700, abs=7.5 + every)),
    ]


def test_leaving_takes_a_minute_beyond_the_edge() -> None:
    track = Track().fix().stay(600).jump(140).stay(60)
    assert tell(track, [HERE]).visits == [("Arrived", 1, 0.0)]

    told = tell(track.stay(10), [HERE])
    assert told.visits == [("Arrived", 1, 0.0), ("Departed", 1, 610.0)]
    assert told.events[-1].by == (START + 670) * SECOND


def test_less_than_a_minute_outside_is_no_leaving() -> None:
    track = Track().fix().stay(600)
    for _ in range(10):
        track.jump(300).stay(60).jump(-300).stay(60)
    assert tell(track, [HERE]).visits == [("Arrived", 1, 0.0)]


def test_few_fixes_far_away_are_a_leaving_few_near_ones_none() -> None:
    near = Track(every=60).fix().stay(600).jump(140).stay(180)
    far = Track(every=60).fix().stay(600).jump(180).stay(180)

    assert tell(near, [HERE]).count(Departed) == 0
    assert tell(far, [HERE]).visits[-1] == ("Departed", 1, 660.0)
    assert tell(near.stay(120), [HERE]).visits[-1] == ("Departed", 1, 660.0)


def test_two_good_fixes_are_an_arrival() -> None:
    told = tell(Track(every=5).jump(50).fix().stay(5), [HERE])
    assert told.visits == [("Arrived", 1, 0.0)]


def test_poor_fixes_inside_are_an_arrival_after_half_a_minute() -> None:
    track = Track(accuracy=60).fix().stay(20)
    assert tell(track, [HERE]).visits == []
    assert tell(track.stay(10), [HERE]).visits == [("Arrived", 1, 0.0)]


def test_a_site_that_is_taken_away_was_left_with_the_last_fix_in_it() -> None:
    track = Track().fix().stay(600)
    first = tell(track, [HERE])
    more = Track().wait(600).stay(300)
    told = tell(more.points, [], state=decode_state(encode_state(first.engine.state)))

    assert first.visits == [("Arrived", 1, 0.0)]
    assert told.visits == [("Departed", 1, 600.0)]
    assert told.engine.state.sites == {}


def test_a_site_taken_away_before_the_arrival_leaves_nothing() -> None:
    first = tell(Track().fix(), [HERE])
    told = tell(Track().wait(10).fix(), [], state=first.engine.state)
    assert (first.visits, told.visits, told.engine.state.sites) == ([], [], {})


def test_overlapping_sites_do_not_know_of_each_other() -> None:
    lat, lon = go(60.0, 25.0, 0, 150)
    both = [HERE, site(lat, lon, job=2)]
    track = Track().jump(75).fix().stay(600).jump(150).stay(600).jump(3_000).stay(300)

    assert tell(track, both).visits == [
        ("Arrived", 1, 0.0),
        ("Arrived", 2, 0.0),
        ("Departed", 1, 610.0),
        ("Departed", 2, 1_210.0),
    ]


def test_a_site_counts_in_its_time_and_a_stay_ends_with_it() -> None:
    track = Track().fix().stay(1_200).jump(3_000).stay(300)
    told = tell(track, [site(60.0, 25.0, since=300, until=600)])
    assert told.visits == [("Arrived", 1, 300.0), ("Departed", 1, 600.0)]

    assert tell(track, [site(60.0, 25.0, since=2_000)]).visits == []


def test_a_phone_that_died_on_site_left_with_its_last_word() -> None:
    track = Track().fix().stay(7_200).wait(13 * 3_600).jump(20_000).stay(600)
    assert tell(track, [HERE]).visits == [("Arrived", 1, 0.0), ("Departed", 1, 7_200.0)]


def test_a_phone_that_was_silent_when_it_left_left_with_its_last_word() -> None:
    track = Track().fix().stay(3_600).wait(2 * 3_600).jump(20_000).stay(600)
    assert tell(track, [HERE]).visits == [("Arrived", 1, 0.0), ("Departed", 1, 3_600.0)]

    track = Track().fix().stay(3_600).wait(1_200).jump(20_000).stay(600)
    assert tell(track, [HERE]).visits == [("Arrived", 1, 0.0), ("Departed", 1, 4_810.0)]


def test_a_phone_that_slept_on_site_for_hours_was_there() -> None:
    track = Track().fix().stay(600).wait(4 * 3_600).fix().stay(600)
    assert tell(track, [HERE]).visits == [("Arrived", 1, 0.0)]


def test_back_on_site_next_morning_is_another_visit() -> None:
    track = Track().fix().stay(7_200).wait(13 * 3_600).stay(600).jump(3_000).stay(300)
    morning = 7_200.0 + 13 * 3_600 + 10

    assert tell(track, [HERE]).visits == [
        ("Arrived", 1, 0.0),
        ("Departed", 1, 7_200.0),
        ("Arrived", 1, morning),
        ("Departed", 1, morning + 600),
    ]


def test_a_fix_on_the_way_home_does_not_join_two_days() -> None:
    track = Track().fix().stay(7_200).jump(3_000).stay(300, every=300).jump(-3_000)
    told = tell(track.wait(13 * 3_600).stay(600), [HERE])

    assert told.visits == [
        ("Arrived", 1, 0.0),
        ("Departed", 1, 7_500.0),
        ("Arrived", 1, 7_510.0 + 13 * 3_600),
    ]


def test_a_fix_in_passing_is_no_arrival_of_that_evening() -> None:
    track = Track().fix().wait(9 * 3_600).stay(600)
    assert tell(track, [HERE]).visits == [("Arrived", 1, 9 * 3_600 + 10.0)]


def test_a_teleport_from_the_site_and_back_is_no_leaving() -> None:
    track = Track().fix().stay(600).jump(50_000).stay(20).jump(-50_000).stay(600)
    told = tell(track, [HERE])
    assert told.visits == [("Arrived", 1, 0.0)] and told.count(Crossed) == 0
