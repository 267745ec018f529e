"""Simplified lines: never off by more than the tolerance, by another way of measuring."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod, Transformer

from tracking.drawing import Drawing, simplify
from tracking.geo import distance

WGS84 = Geod(ellps="WGS84")
TO_MERCATOR = Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True)
FROM_MERCATOR = Transformer.from_crs("EPSG:3857", "EPSG:4326", always_xy=True)

Places = list[tuple[float, float]]
START = datetime(2026, 11, 22, tzinfo=UTC)


def drawn(places: Places, *, tolerance: float, seconds: Sequence[float] | None = None) -> Drawing:
    """With a place a second, unless said otherwise."""
    moments = [START + timedelta(seconds=each) for each in seconds or range(len(places))]
    return simplify(places, moments, tolerance=tolerance)


def a_drive(
    seed: int, count: int = 300, lat: float = 60.5, lon: float = 26.9, stops: float = 0.2
) -> Places:
    """A drive in a city: straight pieces, turns, stops."""
    chance = random.Random(seed)
    places, heading = [(lat, lon)], chance.uniform(0, 360)
    for _ in range(count - 1):
        if chance.random() < 0.1:
            heading += chance.choice([-90, 90, 180])
        metres = 0 if chance.random() < stops else chance.uniform(5, 60)
        lon, lat, _ = WGS84.fwd(lon, lat, heading + chance.uniform(-4, 4), metres)
        places.append((lat, (lon + 180) % 360 - 180))
    return places


def farthest_from_drawing(places: Places, drawing: Drawing) -> float:
    """Metres on the ground, geodesic, to the straight pieces of the map by ternary search."""
    worst = 0.0
    ends = zip(drawing.indices, drawing.coordinates, strict=True)
    for (first, start), (last, end) in itertools.pairwise(ends):
        turns = 360 * round((start[0] - places[first][1]) / 360)
        for lat, lon in places[first + 1 : last]:
            low, high = 0.0, 1.0
            for _ in range(60):
                a, b = low + (high - low) / 3, high - (high - low) / 3
                from_a, from_b = (
                    WGS84.inv(lon + turns, lat, *on_map(start, end, part))[2] for part in (a, b)
                )
                low, high = (low, b) if from_a < from_b else (a, high)
            worst = max(worst, WGS84.inv(lon + turns, lat, *on_map(start, end, low))[2])
    return worst


def on_map(
    start: tuple[float, float], end: tuple[float, float], part: float
) -> tuple[float, float]:
    """Longitude and latitude at a part of a straight piece of the map."""
    y1, y2 = (TO_MERCATOR.transform(0, lat)[1] for _, lat in (start, end))
    lat = FROM_MERCATOR.transform(0, y1 + part * (y2 - y1))[1]
    return start[0] + part * (end[0] - start[0]), lat


@pytest.mark.parametrize(
    ("lat", "lon"), [(60.5, 26.9), (0, 0), (-33.9, 151.2), (78.2, 15.6), (-17.7, 179.999)]
)
@pytest.mark.parametrize("tolerance", [1, 10, 50])
def test_no_place_is_further_than_the_tolerance(lat: float, lon: float, tolerance: float) -> None:
    places = a_drive(7, 120, lat, lon)
    drawing = drawn(places, tolerance=tolerance)
    assert farthest_from_drawing(places, drawing) <= tolerance
    assert len(drawing.indices) < len(places)


def test_the_tolerance_is_used() -> None:
    """A place a little nearer than the tolerance goes, one a little further stays."""
    for lat in (0, 45, 70):
        lon, north, _ = WGS84.fwd(0.01, lat, 0, 9.8)
        assert drawn([(lat, 0), (north, lon), (lat, 0.02)], tolerance=10).indices == [0, 2]
        lon, north, _ = WGS84.fwd(0.01, lat, 0, 10.2)
        assert drawn([(lat, 0), (north, lon), (lat, 0.02)], tolerance=10).indices == [0, 1, 2]


@given(
    st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180)), max_size=30),
    st.floats(0, 1e6),
)
def test_what_is_drawn_are_given_places_in_order(places: Places, tolerance: float) -> None:
    drawing = drawn(places, tolerance=tolerance)
    assert drawing.indices == sorted(set(drawing.indices))
    assert len(drawing.coordinates) == len(drawing.indices)
    for index, (lon, lat) in zip(drawing.indices, drawing.coordinates, strict=True):
        assert lat == places[index][0]
        assert abs((lon - places[index][1] + 180) % 360 - 180) < 1e-9
    if places:
        assert drawing.indices[0] == 0
        assert drawing.indices[-1] == len(places) - 1


@given(st.integers(0, 50), st.floats(1, 100))
def test_simplifying_again_changes_nothing(seed: int, tolerance: float) -> None:
    places = a_drive(seed, 60)
    once = drawn(places, tolerance=tolerance)
    again = drawn(
        [(lat, lon) for lon, lat in once.coordinates], tolerance=tolerance, seconds=once.indices
    )
    assert again.coordinates == once.coordinates


@pytest.mark.parametrize("by", [0.1, 90, 153.1, -100, 180])
def test_turning_the_earth_keeps_the_same_places(by: float) -> None:
    for seed in range(20):
        places = a_drive(seed, 60, stops=0)  # of places that are equal any may be kept
        turned = [(lat, (lon + by + 180) % 360 - 180) for lat, lon in places]
        indices = drawn(places, tolerance=10).indices
        assert drawn(turned, tolerance=10).indices == indices


def test_a_way_across_the_180th_meridian_goes_on() -> None:
    there = [(0.0, 179.0), (0.5, 179.9), (0.5, -179.9), (0.0, -179.0)]
    assert drawn(there, tolerance=1).coordinates == [
        (179.0, 0.0),
        (179.9, 0.5),
        (pytest.approx(180.1), 0.5),
        (pytest.approx(181.0), 0.0),
    ]
    back = drawn(there[::-1], tolerance=1).coordinates
    assert [lon for lon, _ in back] == pytest.approx([-179.0, -179.9, -180.1, -181.0])


def test_a_round_keeps_both_ends() -> None:
    square = [(0, 0), (0, 1), (1, 1), (1, 0), (0, 0)]
    assert drawn(square, tolerance=10).indices == [0, 1, 2, 3, 4]
    assert drawn([(0, 0), (1e-6, 0), (0, 0)], tolerance=10).indices == [0, 2]


def test_few_places_are_as_they_are() -> None:
    assert drawn([], tolerance=10) == Drawing([], [])
    assert drawn([(1, 2)], tolerance=10) == Drawing([(2, 1)], [0])
    assert drawn([(1, 2), (1, 2)], tolerance=10) == Drawing([(2, 1), (2, 1)], [0, 1])


def test_who_is_played_again_is_at_no_moment_far_from_where_they_were() -> None:
    rng = random.Random(5)
    start = datetime(2026, 11, 22, tzinfo=UTC)
    places, moments, lat, lon = [], [], 60.0, 179.99
    for second in range(2_000):
        # Drives east across the meridian, and stands for a while now and then.
        if second // 200 % 2 == 0:
            lat, lon = lat + rng.uniform(-2e-5, 3e-5), lon + 2e-5
        places.append((lat, (lon + 180) % 360 - 180))
        moments.append(start + timedelta(seconds=second))
    drawing = simplify(places, moments, tolerance=8)
    assert drawing.indices[0] == 0
    assert drawing.indices[-1] == 1_999
    assert 10 < len(drawing.indices) < 400
    for (a, b), (one, other) in zip(
        pairwise(drawing.indices), pairwise(drawing.coordinates), strict=True
    ):
        for index in range(a, b):
            part = (index - a) / (b - a)
            played = [one[axis] + part * (other[axis] - one[axis]) for axis in (0, 1)]
            there = (places[index][0], places[index][1])
            assert distance(*there, played[1], (played[0] + 180) % 360 - 180) <= 8
    assert simplify([], [], tolerance=8) == Drawing([], [])
    assert simplify([(1.0, 2.0)], [start], tolerance=8) == Drawing([(2.0, 1.0)], [0])
