"""Our stops against those of another program, and against days whose stops are known.

movingpandas' TrajectoryStopDetector calls a stop what stays for 180 s in a rectangle of a given
diagonal, however it got there. Ours is a circle about the mean of the fixes, wider by what the
fixes may be wrong, and is left by two fixes that agree. So they differ where somebody is slow:
ours begins when they come near and ends when they are clear of it, some tens of metres' way each;
movingpandas cuts a slow walk into stops that touch, ours into stops with short trips between.
And it takes what it did not hear of for standing, while ours reckons when they must have set out.
Where somebody drives between places and stands at them, both must say the same.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from tests.tracking.gpx import TRACKS, moment, track
from tests.tracking.synthetic import DAYS, START, Day
from tests.tracking.worked_out import Span, work_out

ORACLE = json.loads((TRACKS / "stops.json").read_text())


def oracle(name: str, diameter: int) -> list[Span]:
    return [
        (datetime.fromisoformat(begin), datetime.fromisoformat(end))
        for begin, end in ORACLE[name][str(diameter)]
    ]


def seconds(span: Span) -> float:
    return (span[1] - span[0]).total_seconds()


def share(span: Span, others: list[Span]) -> float:
    """How much of a span one or more of the others cover, 0…1; the others do not overlap."""
    common = sum(
        max(0.0, seconds((max(span[0], other[0]), min(span[1], other[1])))) for other in others
    )
    return common / seconds(span)


def assert_same(found: list[Span], expected: list[Span], tolerance: float) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert abs(seconds((one[0], other[0]))) <= tolerance, (one, other)
        assert abs(seconds((one[1], other[1]))) <= tolerance, (one, other)


@pytest.mark.parametrize("day", DAYS, ids=lambda day: day.name)
def test_known_stops_are_found_by_us_and_by_the_oracle(day: Day) -> None:
    """The edge of the circle is some 100 m off, which is driven in about 10 s."""
    tolerance = max(15, day.interval)
    ours = work_out(day.fixes()).stops()
    assert_same(ours, day.stops(), tolerance)
    assert_same(oracle(day.name, 150), day.stops(), tolerance)
    assert_same(ours, oracle(day.name, 150), tolerance)


@pytest.mark.parametrize("name", ["car", "run"])
def test_who_never_stood_has_no_stops(name: str) -> None:
    """Neither at the car's halt of two minutes, nor anywhere before the run's end."""
    fixes = track(name)
    end = moment(fixes[-1])
    assert [stop for stop in work_out(fixes).stops() if stop[1] < end] == []
    assert oracle(name, 150) == []


def test_rests_at_the_lake() -> None:
    """The one both can see whole: the walker came slowly, and left with the car."""
    (theirs,) = [stop for stop in oracle("lake", 150) if stop[0].hour == 15 and stop[0].minute == 5]
    (ours,) = [stop for stop in work_out(track("lake")).stops() if share(theirs, [stop]) > 0]
    assert theirs[0] - timedelta(seconds=120) <= ours[0] <= theirs[0]
    assert abs(seconds((theirs[1], ours[1]))) <= 10


LONG_RESTS = [
    ("forest", 0),
    ("forest", 1),
    ("forest", 2),
    ("mountain", 0),
    ("mountain", 1),
    ("mountain", 2),
    ("mountain", 3),
]


@pytest.mark.parametrize(("name", "number"), LONG_RESTS)
def test_a_rest_of_ten_minutes_is_within_one_stop(name: str, number: int) -> None:
    rests = [stop for stop in oracle(name, 75) if seconds(stop) >= 600]
    assert len(rests) == {"forest": 3, "mountain": 4}[name]
    ours = work_out(track(name)).stops()
    assert max(share(rests[number], [stop]) for stop in ours) > 0.9


@pytest.mark.parametrize("name", ["forest", "lake", "mountain", "run"])
def test_what_we_call_a_stop_was_no_journey(name: str) -> None:
    """It is in the oracle's wider stops nearly whole.

    But one: who was heard of last on coming to a place, and next 15 min later 5 km away, was
    there for as long as the drive leaves of it.
    """
    unheard = datetime.fromisoformat("2010-08-05T15:40:33+00:00")
    wider = oracle(name, 250)
    for stop in work_out(track(name)).stops():
        if stop[0] != unheard:
            assert share(stop, wider) > 0.75, stop


# On foot, with a fix a second.
WALK = Day("walk", ((300, 0, 0), (1200, 1.4, 0), (300, 0, 0)), 1, 0, 5)


def test_a_walk_with_a_fix_a_second_is_a_trip() -> None:
    """1.7 km in 20 min between two stops of 5 min."""
    (trip,) = work_out(WALK.fixes()).trips
    assert 1400 < trip.distance < 1800
    began = (START.timestamp() + 300) * 1e6
    assert abs(trip.started_at - began) < 90e6
