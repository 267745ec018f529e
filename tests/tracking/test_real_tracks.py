"""Trips of tracks that real receivers recorded, measured by pyproj; see `tracks/README.md`."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from itertools import pairwise

import pytest
from pyproj import Geod

from tests.tracking.gpx import every, parked, sparse, track
from tests.tracking.worked_out import work_out
from tracking.engine import Point, TripEnded

WGS84 = Geod(ellps="WGS84")
NAMES = ("car", "forest", "lake", "mountain", "run")
VARIANTS = {"whole": list, "every fifth": lambda fixes: every(fixes, 5), "sparse": sparse}
#: None of the fixes is flagged. The nearest to it: a receiver of the lake that had run on without
#: signal catches up by 184 m in 2 s, less than a receiver that finds itself again may jump.
#: Were it 184 km, it would be an outlier.
FLAGGED: dict[str, list[tuple[str, str, str]]] = {
    "as recorded": [],
    "far off": [("lake", "2010-08-05T15:40:02+00:00", "outlier")],
}
#: Trips of whole tracks and their metres. A walk of less than some 0.6 m/s is one long stop with
#: short trips in it: three minutes of it are within the circle that a stop is.
TRIPS = {
    "car": (1, 2640),
    "forest": (11, 5077),
    "lake": (6, 12484),
    "mountain": (19, 2984),
    "run": (1, 12614),
}


def geodesic(trip: TripEnded, points: Iterable[Point]) -> float:
    """From where one stood, over the fixes of a trip, to where one stood then."""
    start, end = (trip.start_lat, trip.start_lon), (trip.end_lat, trip.end_lon)
    places = [start, *((point.lat, point.lon) for point in points), end]
    return sum(WGS84.inv(a[1], a[0], b[1], b[0])[2] for a, b in pairwise(places))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_trip_is_as_long_as_the_way_over_its_accepted_fixes(name: str, variant: str) -> None:
    outcome = work_out(parked(VARIANTS[variant](track(name))))
    ours = sum(trip.distance for trip in outcome.trips)
    theirs = sum(
        geodesic(trip, outcome.good(trip.started_at, trip.ended_at)) for trip in outcome.trips
    )
    assert ours == pytest.approx(theirs, rel=0.01)
    assert outcome.trips


@pytest.mark.parametrize("name", NAMES)
def test_number_and_length_of_trips(name: str) -> None:
    trips = work_out(parked(track(name))).trips
    assert (len(trips), round(sum(trip.distance for trip in trips))) == TRIPS[name]


@pytest.mark.parametrize("variant", FLAGGED)
def test_flagged_fixes(variant: str) -> None:
    found = []
    for name in NAMES:
        fixes = track(name)
        if variant == "far off":
            jump = FLAGGED[variant][0][1]
            fixes = [
                {**fix, "lat": fix["lat"] + 1.65} if fix["recorded_at"] == jump else fix
                for fix in fixes
                if name == "lake"
            ]
        reasons = work_out(fixes).reasons
        assert len(reasons) == len(fixes)
        found += [
            (name, fix["recorded_at"], reason)
            for fix in fixes
            if (reason := reasons[uuid.UUID(fix["id"])]) is not None
        ]
    assert found == FLAGGED[variant]
