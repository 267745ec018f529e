"""A parked van's star of noise is no trip."""

from __future__ import annotations

import pytest

from tests.tracking.engine.track import Track, tell
from tracking.engine.model import UNKNOWN_ACCURACY


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("every", [1, 10, 60])
@pytest.mark.parametrize("accuracy", [30.0, UNKNOWN_ACCURACY, 10.0])
def test_an_hour_of_noise_adds_nothing(every: float, accuracy: float, seed: int) -> None:
    told = tell(Track(every=every, sigma=30, accuracy=accuracy, seed=seed).fix().stay(3_600))

    assert told.trips == [] and told.engine.state.drive is None
    assert told.metres == 0.0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("every", [1, 10, 60])
def test_parking_between_drives_adds_almost_nothing(every: float, seed: int) -> None:
    track = Track(every=every, seed=seed).fix().stay(600).drive(50, seconds=1_200)
    track.stay(3_600, sigma=30, accuracy=30).drive(50, seconds=600, bearing=90)
    told = tell(track.stay(600))

    assert len(told.trips) == 2
    (start1, end1), (start2, end2) = told.times
    slack = max(every, 10)
    assert abs(start1 - 600) <= slack and abs(end1 - 1_800) <= slack
    assert abs(start2 - 5_400) <= slack and abs(end2 - 6_000) <= slack
    assert told.trips[0].distance == pytest.approx(16_667, abs=110)
    assert told.trips[1].distance == pytest.approx(8_333, abs=110)


@pytest.mark.parametrize("every", [1, 10])
@pytest.mark.parametrize("seed", range(3))
def test_standing_in_a_jam_adds_almost_nothing(every: float, seed: int) -> None:
    """Stops too short to end a trip, with noise as between houses, drawn anew for each fix.

    At a fix a second the drive itself is 13 % longer by the sum of its legs, and all of it twice as
    long with what is summed up while standing.
    """
    track = Track(every=every, sigma=5, seed=seed).fix().stay(300).drive(50, seconds=300)
    for _ in range(15):
        track.stay(60).drive(20, seconds=20)
    told = tell(track.drive(50, seconds=300).stay(600))

    assert len(told.trips) == 1
    assert told.metres == pytest.approx(8_333 + 15 * 111, rel=0.16 if every == 1 else 0.06)


def test_a_van_that_was_moved_a_little_stays_parked() -> None:
    """After hours at one place the anchor still follows, so noise at the next adds nothing."""
    for seed in range(5):
        track = Track(every=10, sigma=30, accuracy=30, seed=seed).fix().stay(7_200)
        told = tell(track.jump(60).stay(7_200))
        assert told.trips == [] and told.engine.state.drive is None


def test_identical_fixes_are_a_stop() -> None:
    track = Track().fix().stay(300).drive(60, seconds=600)
    told = tell(track.stay(180))

    assert told.flagged == {}
    assert told.times == [(300.0, 900.0)]


@pytest.mark.parametrize("kmh", [50, 80])
def test_a_stop_of_poor_fixes_ends_the_trip_where_the_last_good_one_was(kmh: float) -> None:
    track = Track().fix().stay(300).drive(kmh, seconds=600)
    lat = track.lat
    told = tell(track.stay(190, accuracy=110, sigma=5))

    assert set(told.flagged.values()) == {"accuracy"}
    assert told.times == [(300.0, 900.0)]
    assert told.trips[0].end_lat == pytest.approx(lat, abs=1e-6)
    assert told.trips[0].distance == pytest.approx(kmh / 3.6 * 600, rel=0.005)


def test_a_stop_after_a_bend_closes_with_poor_fixes() -> None:
    """The last good fix is far from where the trip's anchor is, but not very far."""
    track = Track().fix().stay(300).drive(83, seconds=600)
    track.drive(83, seconds=10).stay(600, accuracy=101, sigma=2)
    told = tell(track)

    assert told.times == [(300.0, 910.0)]
    assert told.engine.state.drive is None

    told = tell(track.drive(83, seconds=600).stay(600))
    # The poor fixes said nothing of when they left: no later than at a slow drive.
    assert told.times == [(300.0, 910.0), (pytest.approx(1_510, abs=14), 2_110.0)]
    assert told.trips[1].distance == pytest.approx(83 / 3.6 * 600, rel=0.005)


def test_very_poor_fixes_in_a_tunnel_end_no_trip() -> None:
    track = Track().fix().stay(300).drive(80, seconds=600)
    for _ in range(30):
        track.wait(10).jump(80 / 3.6 * 10).fix(accuracy=9_000, sigma=2_000)
    told = tell(track.drive(80, seconds=600).stay(600))

    assert told.times == [(300.0, 1_800.0)]
    assert told.metres == pytest.approx(80 / 3.6 * 1_500, rel=0.005)
