"""Trips of tracks that real receivers recorded, measured by pyproj; see `tracks/README.md`."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from itertools import pairwise

import pytest
from pyproj import Geod

from tests.tracking.gpx import every, parked, sparse, track
from tests.tracking.worked_out import work_out
from tracking.engine import Point

WGS84 = Geod(ellps="WGS84")
NAMES = ("car", "forest", "lake", "mountain", "run")
VARIANTS = {"whole": list, "every fifth": lambda fixes: every(fixes, 5), "sparse": sparse}
#: All flagged fixes: the track, when, why. Only here is somebody too fast: a receiver that had
#: run on without signal catches up by 184 m in 2 s.
FLAGGED = [("lake", "2010-08-05T15:40:02+00:00", "outlier")]
#: Trips of whole tracks and their metres. A walk of less than some 0.6 m/s is one long stop with
#: short trips in it: three minutes of it are within the circle that a stop is.
TRIPS = {
    "car": (1, 2519),
    "forest": (19, 2095),
    "lake": (6, 11604),
    "mountain": (18, 829),
    "run": (1, 12127),
}


def geodesic(points: Iterable[Point]) -> float:
    return sum(WGS84.inv(a.lon, a.lat, b.lon, b.lat)[2] for a, b in pairwise(points))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_trip_is_as_long_as_the_way_over_its_accepted_fixes(name: str, variant: str) -> None:
    outcome = work_out(parked(VARIANTS[variant](track(name))))
    for trip in outcome.trips:
        way = outcome.good(trip.started_at, trip.ended_at)
        assert trip.fixes == len(way)
        assert trip.distance == pytest.approx(geodesic(way), rel=0.01)
    # One fix of the whole drive, between its start and its end at one place, proves no trip.
    assert bool(outcome.trips) == ((name, variant) != ("car", "sparse"))


@pytest.mark.parametrize("name", NAMES)
def test_number_and_length_of_trips(name: str) -> None:
    trips = work_out(parked(track(name))).trips
    assert (len(trips), round(sum(trip.distance for trip in trips))) == TRIPS[name]


@pytest.mark.parametrize("variant", VARIANTS)
def test_flagged_fixes(variant: str) -> None:
    """A thinner variant lacks the jump."""
    found = []
    for name in NAMES:
        fixes = VARIANTS[variant](track(name))
        reasons = work_out(fixes).reasons
        assert len(reasons) == len(fixes)
        found += [
            (name, fix["recorded_at"], reason)
            for fix in fixes
            if (reason := reasons[uuid.UUID(fix["id"])]) is not None
        ]
    assert found == (FLAGGED if variant == "whole" else [])
