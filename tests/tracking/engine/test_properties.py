"""What holds for any fixes at all."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from math import isfinite
from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.tracking.engine.track import SECOND, START, Told, tell
from tracking.engine import (
    Arrived,
    Crossed,
    Departed,
    Engine,
    Judged,
    Point,
    Site,
    State,
    Thresholds,
    TripEnded,
    decode_state,
    encode_state,
)

#: Degrees, and a power of two: sums and differences of such places are exact.
GRID = 2.0**-14
MIDDLE = (52.0, 13.0)
SITES = [
    Site(1, *MIDDLE, 100.0, 0, 2**62),
    Site(2, MIDDLE[0] + 64 * GRID, MIDDLE[1], 300.0, 0, 2**62),
    Site(
        3, MIDDLE[0], MIDDLE[1] + 16 * GRID, 80.0, (START + 600) * SECOND, (START + 7200) * SECOND
    ),
]
BOUNDED = settings(max_examples=150, deadline=None)

# A step of the grid is 7 m to the north.
STEPS = st.one_of(st.integers(-6, 6), st.integers(-60, 60), st.integers(-3_000, 3_000))


@st.composite
def tracks(draw: Callable[[Any], Any]) -> list[Point]:
    """Fixes that stand, walk, drive, leap and are wrong, round the sites."""
    at = START * SECOND
    lat, lon = MIDDLE
    points: list[Point] = []
    many = draw(
        st.lists(
            st.tuples(
                st.sampled_from([1, 5, 10, 30, 60, 60, 300, 1_900, 30_000, 0]),
                st.booleans(),
                STEPS,
                STEPS,
                st.sampled_from([5.0, 5.0, 25.0, 60.0, 400.0, 9_000.0]),
                st.sampled_from(["", "", "", "", "", "", "mock", "ahead", "astray", "home"]),
            ),
            max_size=60,
        )
    )
    for seconds, moves, north, east, accuracy, what in many:
        at += seconds * SECOND
        if what == "home":
            lat, lon = MIDDLE
        elif moves and what != "astray":
            lat, lon = lat + north * GRID, lon + east * GRID
        far = 512 * GRID if what == "astray" else 0.0
        points.append(
            Point(
                at,
                UUID(int=len(points) + 1),
                lat + far,
                lon + far,
                accuracy,
                what == "mock",
                what == "ahead",
            )
        )
    return points


ANYWHERE = st.lists(
    st.builds(
        Point,
        st.integers(0, 4_000_000_000 * SECOND),
        st.uuids(),
        st.floats(-90, 90),
        st.floats(-180, 180),
        st.floats(0, 1e7),
        st.booleans(),
        st.just(False),
    ),
    max_size=30,
    unique_by=lambda point: point.id,
)


def check(told: Told, points: list[Point]) -> None:
    final: dict[UUID, Judged] = {}
    for verdict in told.engine.judged:
        before = final.get(verdict.id)
        assert before is None or before.reason == "unconfirmed"
        assert before is None or verdict.reason != "unconfirmed"
        final[verdict.id] = verdict
    assert final.keys() == {point.id for point in points}
    assert {(verdict.at, verdict.id) for verdict in final.values()} == {
        (point.at, point.id) for point in points
    }
    assert sum(verdict.reason == "unconfirmed" for verdict in final.values()) <= 1

    on_site: dict[int, int] = {}
    left: dict[int, int] = {}
    ended = by = 0
    for event in told.events:
        assert event.by >= by
        by = event.by
        if isinstance(event, TripEnded):
            assert ended <= event.started_at <= event.ended_at <= event.by
            assert isfinite(event.distance) and event.distance >= 0.0
            assert event.fixes >= 1
            for lat, lon in (
                (event.start_lat, event.start_lon),
                (event.end_lat, event.end_lon),
            ):
                assert -90.0 <= lat <= 90.0 and -180.0 <= lon <= 180.0
            ended = event.ended_at
        elif isinstance(event, Arrived):
            assert event.job not in on_site
            assert left.get(event.job, 0) <= event.at <= event.by
            on_site[event.job] = event.at
        elif isinstance(event, Departed):
            assert on_site.pop(event.job) == event.arrived_at
            assert event.arrived_at <= event.at <= event.by
            left[event.job] = event.at
        else:
            assert isinstance(event, Crossed)
            assert event.job not in on_site
            assert left.get(event.job, 0) <= event.at <= event.by
    state = told.engine.state
    assert {job for job, visit in state.sites.items() if visit.arrived} == on_site.keys()
    assert state.drive is None or state.drive.started_at >= ended


@BOUNDED
@given(tracks())
def test_events_make_sense(points: list[Point]) -> None:
    check(tell(points, SITES), points)


@BOUNDED
@given(ANYWHERE)
def test_events_make_sense_for_fixes_anywhere(points: list[Point]) -> None:
    sites = [Site(n, point.lat, point.lon, 500.0, 0, 2**62) for n, point in enumerate(points[:3])]
    check(tell(points, sites, thresholds=Thresholds(max_accuracy=5_000, max_speed=400)), points)


@BOUNDED
@given(tracks(), st.lists(st.integers(0, 60), max_size=8))
def test_batches_change_nothing(points: list[Point], cuts: list[int]) -> None:
    """Each from a stored state: a checkpoint is as good as the run up to it."""
    whole = tell(points, SITES)
    edges = [0, *sorted(min(cut, len(points)) for cut in cuts), len(points)]
    stored = b""
    judged, events = [], []
    for first, last in itertools.pairwise(edges):
        engine = Engine(decode_state(stored), Thresholds(), SITES)
        for point in points[first:last]:
            assert engine.is_next(point) or point.ahead or point.mock
            engine.take(point)
        judged += engine.judged
        events += engine.events
        stored = encode_state(engine.state)

    assert judged == whole.engine.judged
    assert events == whole.events
    assert (stored or encode_state(State())) == encode_state(whole.engine.state)


def remembered(state: State) -> bytes:
    """What a state says of where somebody is."""
    copy = decode_state(encode_state(state))
    copy.last_at, copy.last_id, copy.since_checkpoint = 0, UUID(int=0), 0
    return encode_state(copy)


def may_go(told: Told, points: list[Point]) -> list[UUID]:
    """Flagged fixes that stand for nobody else.

    A poor one may end a stop. One that was held may have kept another from being held, which the
    next would have confirmed, or have had a duplicate.
    """
    judged = told.engine.judged
    shared = [point.at for point in points]
    follow = {
        later.id for earlier, later in itertools.pairwise(judged) if earlier.reason == "speed"
    }
    final = {verdict.id: verdict for verdict in judged}
    return [
        verdict.id
        for verdict in final.values()
        if verdict.reason in ("mock", "future", "duplicate")
        or (
            verdict.reason in ("outlier", "speed")
            and verdict.id not in follow
            and shared.count(verdict.at) == 1
        )
    ]


@BOUNDED
@given(tracks(), st.data())
def test_a_flagged_fix_changes_nothing(points: list[Point], data: st.DataObject) -> None:
    told = tell(points, SITES)
    candidates = may_go(told, points)
    assume(candidates)
    gone = data.draw(st.sampled_from(candidates))
    without = tell([point for point in points if point.id != gone], SITES)

    assert without.events == told.events
    assert remembered(without.engine.state) == remembered(told.engine.state)


@BOUNDED
@given(tracks(), st.integers(0, 60), st.sampled_from(["mock", "ahead", "poor", "again"]))
def test_a_wrong_fix_more_changes_nothing(points: list[Point], where: int, what: str) -> None:
    assume(points)
    told = tell(points, SITES)
    beside = points[min(where, len(points) - 1)]
    assume(what != "again" or told.verdicts[beside.id.int] is None)
    wrong = Point(
        beside.at,
        UUID(int=1_000),
        MIDDLE[0],
        MIDDLE[1],
        9_000.0 if what == "poor" else 5.0,
        what == "mock",
        what == "ahead",
    )
    more = tell([*points, wrong], SITES)

    assert more.verdicts[1_000] is not None
    assert more.events == told.events
    assert remembered(more.engine.state) == remembered(told.engine.state)


def turn(lon: float, by: float) -> float:
    return (lon + by + 180.0) % 360.0 - 180.0


@BOUNDED
@given(tracks(), st.one_of(st.just(167.0), st.integers(-180, 180).map(float)))
def test_the_earth_may_be_turned(points: list[Point], by: float) -> None:
    """167° brings the sites onto the 180° meridian."""
    told = tell(points, SITES)
    turned = tell(
        [point._replace(lon=turn(point.lon, by)) for point in points],
        [site._replace(lon=turn(site.lon, by)) for site in SITES],
    )

    assert turned.engine.judged == told.engine.judged
    assert [type(event) for event in turned.events] == [type(event) for event in told.events]
    for here, there in zip(told.events, turned.events, strict=True):
        if isinstance(here, TripEnded) and isinstance(there, TripEnded):
            assert abs(turn(there.start_lon - here.start_lon, -by)) < 1e-9
            assert abs(turn(there.end_lon - here.end_lon, -by)) < 1e-9
            assert abs(there.started_at - here.started_at) <= 10
            assert there.distance == pytest.approx(here.distance, abs=1e-3)
            assert there._replace(start_lon=0, end_lon=0, started_at=0, distance=0) == (
                here._replace(start_lon=0, end_lon=0, started_at=0, distance=0)
            )
        else:
            assert abs(there.at - here.at) <= 10  # type: ignore[union-attr]


@pytest.mark.parametrize("stored", [b"\x90", encode_state(State())])
def test_a_state_of_fewer_fields_is_decoded(stored: bytes) -> None:
    assert decode_state(stored) == State()
