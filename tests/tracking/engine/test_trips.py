"""When trips begin and end, where, and how long they are."""

from __future__ import annotations

import itertools

import pytest

from tests.tracking.engine.track import Track, since, tell
from tracking.engine import TripEnded


@pytest.mark.parametrize("every", [1, 10, 60, 300])
def test_drive_stop_drive(every: float) -> None:
    track = Track(every=every).fix().stay(600).drive(50, seconds=1_200)
    stop = (track.lat, track.lon)
    track.stay(3_600).drive(50, seconds=600, bearing=90)
    end = (track.lat, track.lon)
    told = tell(track.stay(600))

    first, second = told.trips
    # A phone that sends each second is believed to have left when it was out of the noise.
    slack = 6 if every == 1 else 0
    assert since(first.started_at) == pytest.approx(600, abs=slack)
    assert since(first.ended_at) == pytest.approx(1_800, abs=slack)
    assert since(second.started_at) == pytest.approx(5_400, abs=slack)
    assert since(second.ended_at) == pytest.approx(6_000, abs=slack)
    assert first.distance == pytest.approx(16_667, rel=0.003)
    assert second.distance == pytest.approx(8_333, rel=0.004)
    # Metres: 1e-4 degrees are eleven.
    assert (first.start_lat, first.start_lon) == pytest.approx((60.0, 25.0), abs=1e-5)
    assert (first.end_lat, first.end_lon) == pytest.approx(stop, abs=2e-4)
    assert (second.start_lat, second.start_lon) == pytest.approx(stop, abs=2e-4)
    assert (second.end_lat, second.end_lon) == pytest.approx(end, abs=4e-4)


def test_a_trip_is_told_with_the_fix_that_proves_its_end() -> None:
    told = tell(Track().fix().stay(600).drive(60, seconds=600).stay(170))
    assert told.events == []

    told = tell(Track().fix().stay(600).drive(60, seconds=600).stay(180))
    (trip,) = told.trips
    assert since(trip.by) == 1_380.0
    assert trip.fixes == 61


@pytest.mark.parametrize("every", [1, 10])
@pytest.mark.parametrize("kmh", [4, 5, 6])
def test_walking_is_a_trip(every: float, kmh: float) -> None:
    """However often the phone sends: the anchor must not follow who walks away from it."""
    told = tell(Track(every=every).fix().stay(300).drive(kmh, seconds=1_800).stay(900))

    (trip,) = told.trips
    assert trip.distance == pytest.approx(kmh / 3.6 * 1_800, rel=0.05)
    # It takes 160 m to leave the stop's circle: twice its radius, as its middle is half-way.
    assert since(trip.ended_at) == pytest.approx(2_100, abs=160 / (kmh / 3.6))


@pytest.mark.parametrize("every", [1, 10])
def test_walking_about_near_the_van_is_none(every: float) -> None:
    track = Track(every=every, sigma=5).fix().stay(600)
    for _ in range(20):
        track.drive(4, seconds=50).stay(60).drive(4, seconds=50, bearing=180).stay(60)
    assert tell(track).metres == 0.0


@pytest.mark.parametrize("every", [1, 10])
@pytest.mark.parametrize("kmh", [3, 5, 10])
def test_a_crawl_does_not_split_a_trip(every: float, kmh: float) -> None:
    track = Track(every=every).fix().stay(300).drive(50, seconds=300)
    told = tell(track.drive(kmh, seconds=1_200).drive(50, seconds=300).stay(600))

    (trip,) = told.trips
    assert trip.distance == pytest.approx(8_333 + kmh / 3.6 * 1_200, rel=0.005)
    assert since(trip.started_at) == pytest.approx(300, abs=3)
    assert since(trip.ended_at) == pytest.approx(2_100, abs=10)


@pytest.mark.parametrize("every", [1, 10])
def test_stop_and_go_is_one_trip(every: float) -> None:
    track = Track(every=every).fix().stay(300).drive(50, seconds=300)
    for _ in range(10):
        track.stay(120).drive(20, seconds=20)
    told = tell(track.drive(50, seconds=300).stay(600))

    (trip,) = told.trips
    assert trip.distance == pytest.approx(8_333 + 10 * 111, rel=0.005)


def test_a_tunnel_is_part_of_its_trip() -> None:
    track = Track().fix().stay(300).drive(80, seconds=600).wait(600).jump(80 / 3.6 * 600)
    told = tell(track.drive(80, seconds=600).stay(600))

    assert told.times == [(300.0, 2_100.0)]
    assert told.metres == pytest.approx(40_000, rel=0.003)


def test_a_gap_ends_a_trip_with_the_last_that_was_heard() -> None:
    track = Track().fix().stay(300).drive(80, seconds=600).wait(3_600)
    told = tell(track.drive(80, seconds=600, bearing=90).stay(600))

    (first, second) = told.times
    assert first == (300.0, 900.0)
    # The first fix is 222 m away, which takes 22 s at a slow drive.
    assert second == (pytest.approx(4_510 - 22.2, abs=0.2), 5_100.0)
    assert told.metres == pytest.approx(26_667, rel=0.004)


def test_what_was_driven_in_a_gap_is_the_next_trip() -> None:
    track = Track().fix().stay(300).drive(80, seconds=600).wait(3_600).jump(30_000)
    told = tell(track.drive(80, seconds=600).stay(600))

    first, second = told.trips
    assert (since(first.started_at), since(first.ended_at)) == (300.0, 900.0)
    # No later than at a slow drive: 30.2 km at 10 m/s before the first fix.
    assert since(second.started_at) == pytest.approx(4_510 - 3_022, abs=10)
    assert second.distance == pytest.approx(30_000 + 13_333, rel=0.004)


def test_a_gap_ends_a_trip_of_one_fix_too() -> None:
    """Set out, heard once, silent for a night, and elsewhere: two trips, none of nine hours."""
    track = Track().fix().stay(600).drive(50, seconds=300, every=300)
    told = tell(track.wait(9 * 3_600).jump(30_000).fix().stay(600))

    first, second = told.trips
    assert (since(first.started_at), since(first.ended_at)) == (600.0, 900.0)
    assert first.distance == pytest.approx(4_167, rel=0.003)
    assert since(second.started_at) == pytest.approx(33_300 - 3_006, abs=5)
    assert since(second.ended_at) == 33_300.0
    assert second.distance == pytest.approx(30_000, rel=0.003)


def test_one_fix_astray_before_a_gap_is_no_trip() -> None:
    track = Track().fix().stay(600).jump(200).stay(10).jump(-200)
    assert tell(track.wait(7_200).fix().stay(600)).metres == 0.0

    track = Track().fix().stay(600).jump(4_000).stay(300, every=300).jump(-4_000)
    assert tell(track.wait(7_200).fix().stay(600)).metres == 0.0


@pytest.mark.parametrize("every", [300, 900])
def test_a_short_trip_ends_with_the_first_fix_at_its_end(every: float) -> None:
    """Fixes so rare that the trip falls between two of them."""
    told = tell(Track(every=every).fix().stay(3_600).jump(3_000).stay(3_600))

    (trip,) = told.trips
    assert since(trip.ended_at) == 3_600 + every
    assert since(trip.started_at) == pytest.approx(3_600 + every - min(every, 300), abs=2)
    assert trip.distance == pytest.approx(3_000, rel=0.003)


def test_no_trip_begins_before_anything_was_heard() -> None:
    told = tell(Track(every=1).fix().drive(100, seconds=600).stay(600))
    assert told.times[0][0] == 0.0


def test_trips_are_told_in_order() -> None:
    track = Track(sigma=5).fix().stay(600)
    for bearing in range(0, 360, 45):
        track.drive(60, seconds=300, bearing=bearing).stay(400)
    trips = tell(track).trips

    assert len(trips) == 8
    assert all(isinstance(trip, TripEnded) and trip.distance > 4_800 for trip in trips)
    assert all(a.ended_at <= b.started_at for a, b in itertools.pairwise(trips))
