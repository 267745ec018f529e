"""Estimates: what is expected, its range, and how far it is trusted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod

from tracking.eta import Leg, Place, Sighting, estimate
from tracking.eta.air import by_air, hour_factor, table_by_air
from tracking.freshness import PositionState

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
TEN = MONDAY + timedelta(hours=10)
CENTER = Place(60.5, 26.9)
FRESH = Sighting(0, PositionState.LIVE, None)

distances = st.floats(0, 500_000)
hours = st.integers(0, 7 * 24 - 1).map(lambda hour: MONDAY + timedelta(hours=hour))


def east(meters: float, source: Place = CENTER) -> Place:
    lon, lat, _ = Geod(ellps="WGS84").fwd(source.lon, source.lat, 90, meters)
    return Place(lat, lon)


def minutes(meters: float, local: datetime = TEN) -> float:
    return by_air(CENTER, east(meters), local=local).seconds / 60


# --- By air


@pytest.mark.parametrize(
    ("air", "meters", "driven"),
    [
        (0, 0, 0),
        (1_000, 1_400, 1_400 * 3.6 / 20),
        # 6,850 m of road: 2 km at 20 km/h, the rest at 40.
        (5_000, 6_850, 360 + 4_850 * 3.6 / 40),
        (20_000, 25_600, 360 + 720 + 15_600 * 3.6 / 65),
        (80_000, 100_600, 360 + 720 + 30_000 * 3.6 / 65 + 60_600 * 3.6 / 90),
    ],
)
def test_short_ways_are_slower(air: float, meters: float, driven: float) -> None:
    leg = by_air(CENTER, east(air), local=TEN)
    assert leg.provider == "estimate"
    assert leg.meters == pytest.approx(meters, rel=0.004)
    assert leg.seconds == pytest.approx(60 + 1.1 * driven, rel=0.004)  # ten o'clock on a workday


@given(distances, distances, hours)
def test_who_is_further_away_takes_longer(one: float, other: float, local: datetime) -> None:
    near, far = sorted((one, other))
    assert minutes(near, local) <= minutes(far, local) + 1e-9


@given(distances, hours)
def test_nobody_flies(air: float, local: datetime) -> None:
    leg = by_air(CENTER, east(air), local=local)
    assert 1.25 * 0.994 * air - 1e-6 <= leg.meters <= 1.4 * 1.006 * air + 1e-6
    if air > 10:
        assert air / leg.seconds * 3.6 < 90 / 0.9


@given(st.floats(10, 500_000))
def test_the_rush_hours_are_slowest_and_nights_are_fastest(air: float) -> None:
    day = [minutes(air, MONDAY + timedelta(hours=hour)) for hour in range(24)]
    assert max(day) == day[16] == day[17]
    assert min(day) == day[0] == day[5] == day[22]
    assert day[8] > day[10] > day[20]


def test_a_weekend_has_no_rush_hour() -> None:
    saturday, sunday = MONDAY + timedelta(days=5), MONDAY + timedelta(days=6)
    assert [hour_factor(saturday + timedelta(hours=hour)) for hour in (3, 8, 12, 17, 21)] == [
        0.9,
        0.9,
        1.05,
        1.05,
        0.9,
    ]
    assert hour_factor(sunday + timedelta(hours=12)) == 1.05
    assert hour_factor(MONDAY + timedelta(hours=23)) == 0.9


@given(st.floats(-80, 80), st.floats(-180, 180), st.floats(-180, 180), distances)
def test_turning_the_earth_changes_no_drive(lat: float, lon: float, by: float, air: float) -> None:
    source = Place(lat, lon)
    target = east(air, source)
    turned = [Place(place.lat, (place.lon + by + 180) % 360 - 180) for place in (source, target)]
    was = by_air(source, target, local=TEN)
    assert by_air(*turned, local=TEN).seconds == pytest.approx(was.seconds, rel=1e-5)


def test_a_table_is_of_single_drives() -> None:
    places = [CENTER, east(500), east(90_000)]
    assert table_by_air(places, places, local=TEN) == [
        [by_air(source, target, local=TEN) for target in places] for source in places
    ]


# --- The range


def test_the_range_by_road_and_by_air() -> None:
    road, air = Leg(1_000, 9_000.4, "osrm"), Leg(1_000, 9_000.4, "estimate")
    by_road, estimated = estimate(road, FRESH), estimate(air, FRESH)
    assert (by_road.low_seconds, by_road.seconds, by_road.high_seconds) == (850, 1_000, 1_300)
    assert (estimated.low_seconds, estimated.seconds, estimated.high_seconds) == (700, 1_000, 1_600)
    assert (by_road.meters, by_road.provider, estimated.provider) == (9_000, "osrm", "estimate")


def test_the_range_grows_with_age_and_accuracy() -> None:
    seen = Sighting(100, PositionState.DELAYED, 50)
    found = estimate(Leg(1_000, 9_000, "osrm"), seen)
    # 50 m at 20 km/h are 9 s.
    assert (found.low_seconds, found.high_seconds) == (850 - 109, 1_300 + 109)
    assert found.position_age_seconds == 100


legs = st.builds(
    Leg, st.floats(0, 1e5), st.floats(0, 1e6), st.sampled_from(["osrm", "valhalla", "estimate"])
)
sightings = st.builds(
    Sighting,
    st.floats(0, 1e5),
    st.sampled_from([state for state in PositionState if state is not PositionState.NONE]),
    st.none() | st.floats(0, 5_000),
)


@given(legs, sightings, st.floats(0, 1e4))
def test_the_range_holds_what_is_expected(leg: Leg, seen: Sighting, older: float) -> None:
    found = estimate(leg, seen)
    assert 0 <= found.low_seconds <= found.seconds <= found.high_seconds
    later = estimate(leg, Sighting(seen.age_seconds + older, seen.state, seen.accuracy))
    assert later.low_seconds <= found.low_seconds
    assert later.high_seconds >= found.high_seconds
    assert later.seconds == found.seconds


# --- Trust


@pytest.mark.parametrize(
    ("leg", "state", "accuracy", "confidence", "warnings"),
    [
        (Leg(1, 1, "osrm"), "live", 5, "high", []),
        (Leg(1, 1, "valhalla"), "live", None, "high", []),
        (Leg(1, 1, "osrm"), "live", 100, "high", []),
        (Leg(1, 1, "osrm"), "live", 100.1, "low", ["poor_accuracy"]),
        (Leg(1, 1, "osrm"), "delayed", 5, "medium", []),
        (Leg(1, 1, "osrm"), "stale", 5, "low", ["stale_position"]),
        (Leg(1, 1, "osrm"), "lost", 5, "low", ["lost_position"]),
        (Leg(1, 1, "estimate"), "live", 5, "medium", []),
        (Leg(1, 1, "estimate"), "stale", 500, "low", ["stale_position", "poor_accuracy"]),
        (Leg(1, 1, "estimate", ("no_route",)), "live", 5, "low", ["no_route"]),
    ],
)
def test_confidence_and_warnings(
    leg: Leg, state: str, accuracy: float | None, confidence: str, warnings: list[str]
) -> None:
    found = estimate(leg, Sighting(10, PositionState(state), accuracy))
    assert (found.confidence, found.warnings) == (confidence, warnings)


def test_why_there_is_no_engine_is_said_too() -> None:
    found = estimate(Leg(1, 1, "estimate"), FRESH, ["routing_unavailable"])
    assert (found.confidence, found.warnings) == ("medium", ["routing_unavailable"])
