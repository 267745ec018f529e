"""Which fixes count, and why the others do not."""

from __future__ import annotations

import pytest

from tests.tracking.engine.track import Track, tell
from tracking.engine import Thresholds, judge_alone


def test_teleport_and_back_is_one_outlier() -> None:
    told = tell(Track().fix().stay(600).jump(50_000).stay(10).jump(-50_000).stay(600))

    assert told.flagged == {62: "outlier"}
    assert [verdict.reason for verdict in told.engine.judged if verdict.id.int == 62] == [
        "unconfirmed",
        "outlier",
    ]
    assert told.trips == [] and told.metres == 0.0


def test_a_teleport_that_a_second_fix_confirms_is_no_trip() -> None:
    told = tell(Track().fix().stay(600).jump(50_000).stay(600))

    assert told.flagged == {}
    assert told.trips == [] and told.engine.state.drive is None
    anchor = told.engine.state.anchor
    assert anchor is not None and anchor.lat == pytest.approx(60.4497, abs=1e-3)


def test_a_confirmed_teleport_and_back_is_no_trip() -> None:
    told = tell(Track().fix().stay(600).jump(50_000).stay(20).jump(-50_000).stay(600))

    assert told.flagged == {}
    assert told.trips == [] and told.engine.state.drive is None


def test_a_jump_on_a_drive_adds_no_mileage() -> None:
    track = Track().fix().stay(300).drive(60, seconds=600).jump(40_000)
    told = tell(track.drive(60, seconds=600).stay(600))

    assert told.times == [(300.0, 1500.0)]
    # The step of the jump itself is not to be believed.
    assert told.metres == pytest.approx(20_000 - 167, rel=0.005)


def test_nonsense_that_nothing_confirms_is_speed() -> None:
    track = Track().fix().stay(60)
    track.jump(50_000).stay(10).jump(70_000, 90).stay(10).jump(90_000, 200).stay(10)
    track.lat, track.lon = 60.0, 25.0
    told = tell(track.stay(60))

    assert told.flagged == {8: "speed", 9: "speed", 10: "outlier"}
    assert told.metres == 0.0


def test_the_last_fix_may_wait_for_its_verdict() -> None:
    assert tell(Track().fix().stay(60).jump(50_000).stay(10)).flagged == {8: "unconfirmed"}


def test_mock_and_a_clock_ahead_count_for_nothing() -> None:
    track = Track().fix().stay(60)
    track.wait(86_400).jump(9_000).fix(ahead=True).jump(-9_000).wait(-86_390)
    track.jump(5_000).fix(mock=True).jump(-5_000)
    told = tell(track.stay(60))

    assert told.flagged == {8: "future", 9: "mock"}
    assert told.engine.is_next(track.points[-1]._replace(at=told.engine.state.last_at + 1))
    assert told.metres == 0.0


def test_mock_counts_where_a_company_says_so() -> None:
    point = Track().fix(mock=True).points[0]
    assert judge_alone(point, Thresholds()) == "mock"
    assert judge_alone(point, Thresholds(flag_mock=False)) is None


def test_a_fix_is_poor_beyond_the_threshold() -> None:
    told = tell(Track().fix(accuracy=100.0).wait(1).fix(accuracy=100.1))
    assert told.flagged == {2: "accuracy"}


def test_the_same_moment_twice_is_a_duplicate_of_the_good_one() -> None:
    track = Track().fix().stay(60).jump(300).fix().jump(-300)
    told = tell(track.stay(60))
    assert told.flagged == {8: "duplicate"}


def test_a_bad_fix_makes_no_duplicate_of_a_good_one_at_its_moment() -> None:
    # Two phones, one of which always has a poor fix.
    track = Track().fix().stay(60)
    track.wait(10).fix(accuracy=3_000).fix()
    track.wait(10).jump(50_000).fix().jump(-50_000).fix()
    told = tell(track.stay(10))
    assert told.flagged == {8: "accuracy", 10: "outlier"}


def test_the_same_moment_twice_does_not_confirm_a_teleport() -> None:
    track = Track().fix().stay(60).jump(50_000).stay(10).fix().jump(-50_000)
    told = tell(track.stay(60))
    assert told.flagged == {8: "outlier", 9: "duplicate"}


def test_of_two_phones_far_apart_one_counts() -> None:
    """One on the road, one forgotten at home with a fix each five minutes."""
    road, home = Track().fix(), Track()
    road.stay(300).drive(80, seconds=1_800).stay(600)
    home.points = [
        point._replace(id=type(point.id)(int=10_000 + n))
        for n, point in enumerate(Track(every=300).wait(605).stay(1_500).points)
    ]
    told = tell(road.points + home.points)

    assert set(told.flagged.values()) == {"outlier"} and len(told.flagged) == 5
    assert told.times == [(300.0, 2_100.0)]
    assert told.metres == pytest.approx(40_000, rel=0.005)
