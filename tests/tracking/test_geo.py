"""Distances, bearings and ways, against the geodesics of PROJ and against each other."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pyproj import Geod

from tracking.geo import bearing, between, closest, distance, offset

WGS84 = Geod(ellps="WGS84")
EQUATOR_DEGREE = math.radians(1) * 6_378_137.0

latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)
azimuths = st.floats(0, 360)
moderate = st.floats(-70, 70)
parts = st.floats(0, 1)


def geodesic(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    return float(WGS84.inv(lon1, lat1, lon2, lat2)[2])


def away(lat: float, lon: float, azimuth: float, metres: float) -> tuple[float, float]:
    lon2, lat2, _ = WGS84.fwd(lon, lat, azimuth, metres)
    return float(lat2), float(lon2)


def turn(angle1: float, angle2: float) -> float:
    """Degrees between two directions."""
    return abs((angle1 - angle2 + 180) % 360 - 180)


def moved(lon: float, by: float) -> float:
    return (lon + by + 180) % 360 - 180


# --- Distance


@given(latitudes, longitudes, latitudes, longitudes)
@example(0, 0, 0, 180)
@example(90, 0, -90, 0)
@example(90, -180, 90, 37)
@example(0, -180, 0, 180)
@example(45, 179.9999, 45, -179.9999)
@example(-89.99, 0, -89.99, 180)
def test_a_distance_is_the_geodesic_to_six_parts_in_a_thousand(
    lat1: float, lon1: float, lat2: float, lon2: float
) -> None:
    true = geodesic(lat1, lon1, lat2, lon2)
    assert abs(distance(lat1, lon1, lat2, lon2) - true) <= 0.006 * true + 1e-3


@given(st.floats(-85.4, 85.4), longitudes, st.floats(-1, 1), st.floats(-1, 1))
@example(84.5, 0, 0.999, 0.999)
@example(-84.5, 179.5, -0.999, 0.999)
@example(0, -180, 0, -0.5)
@example(60, 24, 1e-7, 1e-7)
def test_a_short_distance_is_the_geodesic_to_five_parts_in_a_hundred_thousand(
    lat: float, lon: float, north: float, east: float
) -> None:
    assume(abs(lat + north / 2) < 84.999_999 and max(abs(north), abs(east)) < 0.999_999)
    lat2, lon2 = lat + north, moved(lon, east)
    true = geodesic(lat, lon, lat2, lon2)
    assert abs(distance(lat, lon, lat2, lon2) - true) <= 5e-5 * true + 1e-6


@given(latitudes, longitudes)
def test_nothing_lies_between_a_place_and_itself(lat: float, lon: float) -> None:
    assert distance(lat, lon, lat, lon) == 0.0


@given(latitudes, longitudes, latitudes, longitudes)
@example(84.9, 0, 85.05, 0.5)
@example(-85.05, 0, -84.9, 0.5)
def test_there_and_back_are_equally_far(lat1: float, lon1: float, lat2: float, lon2: float) -> None:
    there, back = distance(lat1, lon1, lat2, lon2), distance(lat2, lon2, lat1, lon1)
    assert there == pytest.approx(back, rel=1e-9, abs=1e-6)


@given(latitudes, longitudes, latitudes, longitudes, latitudes, longitudes)
def test_no_detour_is_shorter(
    lat1: float, lon1: float, lat2: float, lon2: float, lat3: float, lon3: float
) -> None:
    direct = distance(lat1, lon1, lat3, lon3)
    detour = distance(lat1, lon1, lat2, lon2) + distance(lat2, lon2, lat3, lon3)
    # Each is right to 0.6 %, so that two of them may lose no more than twice that.
    assert direct <= detour * 1.012 + 1e-3


@given(latitudes, longitudes, latitudes, longitudes, st.floats(-180, 180))
def test_turning_the_earth_changes_no_distance(
    lat1: float, lon1: float, lat2: float, lon2: float, by: float
) -> None:
    lon1_moved, lon2_moved = moved(lon1, by), moved(lon2, by)
    east = abs(moved(lon2, -lon1))
    assume(abs(east - 1) > 1e-9)  # there the two formulas meet
    assert distance(lat1, lon1_moved, lat2, lon2_moved) == pytest.approx(
        distance(lat1, lon1, lat2, lon2), rel=1e-6, abs=1e-5
    )


# --- Bearing


@given(st.floats(-89.9, 89.9), longitudes, azimuths, st.floats(1, 1_000_000))
def test_a_bearing_is_the_azimuth_to_a_fifth_of_a_degree(
    lat: float, lon: float, azimuth: float, metres: float
) -> None:
    lat2, lon2 = away(lat, lon, azimuth, metres)
    assume(abs(lat2) < 89.9)
    assert turn(bearing(lat, lon, lat2, lon2), azimuth) <= 0.2


@given(latitudes, longitudes, latitudes, longitudes)
@example(0, 0, -5e-324, -5e-324)
@example(0, 0, 1, -1e-20)
@example(0, 0, 0, 0)
def test_a_bearing_is_from_0_to_below_360(
    lat1: float, lon1: float, lat2: float, lon2: float
) -> None:
    assert 0 <= bearing(lat1, lon1, lat2, lon2) < 360


@pytest.mark.parametrize(
    ("to", "degrees"),
    [((1, 0), 0), ((0, 1), 90), ((-1, 0), 180), ((0, -1), 270), ((0, 0), 0)],
)
def test_the_four_winds(to: tuple[float, float], degrees: float) -> None:
    assert bearing(0, 0, *to) == degrees


@pytest.mark.parametrize(
    ("lon", "lon2", "degrees"), [(179.9, -179.9, 90), (-179.9, 179.9, 270), (-180, 180, 0)]
)
def test_a_bearing_across_the_180th_meridian(lon: float, lon2: float, degrees: float) -> None:
    assert turn(bearing(0, lon, 0, lon2), degrees) < 1e-6 or distance(0, lon, 0, lon2) == 0


@given(st.floats(-60, 60), longitudes, azimuths, st.floats(1, 1_000))
def test_the_way_back_is_opposite(lat: float, lon: float, azimuth: float, metres: float) -> None:
    lat2, lon2 = away(lat, lon, azimuth, metres)
    back = bearing(lat2, lon2, lat, lon)
    assert turn(bearing(lat, lon, lat2, lon2), back + 180) <= 0.03  # the meridians meet ahead


@given(st.floats(-80, 80), longitudes, azimuths, st.floats(10, 100_000), st.floats(-180, 180))
def test_turning_the_earth_changes_no_bearing(
    lat: float, lon: float, azimuth: float, metres: float, by: float
) -> None:
    lat2, lon2 = away(lat, lon, azimuth, metres)
    was = bearing(lat, lon, lat2, lon2)
    assert turn(bearing(lat, moved(lon, by), lat2, moved(lon2, by)), was) < 1e-4


# --- The nearest place of a way


@st.composite
def triangles(draw: st.DrawFn, reach: float) -> tuple[tuple[float, float], ...]:
    """A place, and a way's ends, within `reach` metres of each other and below 70°."""
    lat, lon = draw(moderate), draw(longitudes)
    near = [away(lat, lon, draw(azimuths), draw(st.floats(0, reach / 2))) for _ in range(3)]
    assume(all(abs(place[0]) < 70 for place in near))
    return tuple(near)


def on_the_way(start: tuple[float, float], end: tuple[float, float]) -> list[tuple[float, float]]:
    return [between(*start, *end, step / 400) for step in range(401)]


@pytest.mark.parametrize(("reach", "share"), [(10_000, 0.001), (100_000, 0.01)])
def test_the_nearest_place_of_a_way(reach: float, share: float) -> None:
    @given(triangles(reach))
    def check(places: tuple[tuple[float, float], ...]) -> None:
        third, start, end = places
        part, metres = closest(*third, *start, *end)
        assert 0 <= part <= 1
        # No place of the way is nearer, and the one that it names is as near as it says.
        nearest = min(geodesic(*third, *place) for place in on_the_way(start, end))
        assert metres == pytest.approx(nearest, abs=share * reach)
        named = between(*start, *end, part)
        assert geodesic(*third, *named) == pytest.approx(metres, abs=share * reach)

    check()


@given(latitudes, longitudes, latitudes, longitudes, latitudes, longitudes)
def test_no_end_is_nearer_than_the_nearest_place(
    lat: float, lon: float, lat1: float, lon1: float, lat2: float, lon2: float
) -> None:
    _, metres = closest(lat, lon, lat1, lon1, lat2, lon2)
    ends = math.hypot(*offset(lat, lon, lat1, lon1)), math.hypot(*offset(lat, lon, lat2, lon2))
    assert metres <= min(ends) * (1 + 1e-9) + 1e-6


@given(triangles(10_000), st.floats(-180, 180))
def test_turning_the_earth_leaves_the_nearest_place(
    places: tuple[tuple[float, float], ...], by: float
) -> None:
    third, start, end = places
    _, metres = closest(*third, *start, *end)
    turned = [(lat, moved(lon, by)) for lat, lon in places]
    assert closest(*turned[0], *turned[1], *turned[2])[1] == pytest.approx(metres, abs=1e-4)


@given(triangles(10_000))
def test_a_way_is_as_near_from_both_ends(places: tuple[tuple[float, float], ...]) -> None:
    third, start, end = places
    part, metres = closest(*third, *start, *end)
    assert closest(*third, *end, *start)[1] == pytest.approx(metres, abs=1e-6)
    if geodesic(*start, *end) > 1:
        assert closest(*third, *end, *start)[0] == pytest.approx(1 - part, abs=1e-4)


def test_a_way_of_no_length_is_its_place() -> None:
    assert closest(0, 0, 0, 1, 0, 1) == (0, pytest.approx(EQUATOR_DEGREE))


def test_a_way_across_the_180th_meridian() -> None:
    part, metres = closest(0.001, 180, 0, 179.99, 0, -179.98)
    assert (part, metres) == (pytest.approx(1 / 3), pytest.approx(110.574, abs=0.001))


# --- Offsets and places on a way


@given(moderate, longitudes, azimuths, st.floats(0, 1_000))
def test_an_offset_is_east_and_north(lat: float, lon: float, azimuth: float, metres: float) -> None:
    east, north = offset(lat, lon, *away(lat, lon, azimuth, metres))
    assert east == pytest.approx(metres * math.sin(math.radians(azimuth)), abs=0.3)
    assert north == pytest.approx(metres * math.cos(math.radians(azimuth)), abs=0.3)


@given(latitudes, longitudes, latitudes, longitudes, parts)
def test_a_place_on_a_way_is_on_the_earth(
    lat1: float, lon1: float, lat2: float, lon2: float, part: float
) -> None:
    lat, lon = between(lat1, lon1, lat2, lon2, part)
    assert -90 <= lat <= 90
    assert -180 <= lon <= 180


@given(latitudes, longitudes, latitudes, longitudes)
def test_a_way_begins_and_ends_where_it_should(
    lat1: float, lon1: float, lat2: float, lon2: float
) -> None:
    assert between(lat1, lon1, lat2, lon2, 0) == (lat1, lon1)
    lat, lon = between(lat1, lon1, lat2, lon2, 1)
    assert lat == pytest.approx(lat2, abs=1e-12)
    assert turn(lon, lon2) < 1e-9


def test_the_middle_of_a_way_across_the_180th_meridian() -> None:
    assert between(10, 179, 12, -179, 0.75) == (11.5, -179.5)
    assert between(10, -179, 12, 179, 0.25) == (10.5, -179.5)
