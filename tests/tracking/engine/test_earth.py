"""Near the poles and on the 180° meridian."""

from __future__ import annotations

import pytest

from tests.tracking.engine.track import Track, site, tell


@pytest.mark.parametrize("lon", [179.9995, -180.0, 180.0, -179.9995])
@pytest.mark.parametrize("bearing", [90, 270])
def test_a_day_on_the_180th_meridian(lon: float, bearing: float) -> None:
    track = Track(lat=-17.0, lon=lon, sigma=20, accuracy=20).fix().stay(600)
    track.sigma = 0
    track.drive(60, seconds=600, bearing=bearing).stay(600)
    track.drive(60, seconds=600, bearing=bearing + 180).stay(600)
    told = tell(track, [site(-17.0, lon)])

    assert told.flagged == {}
    (out, back) = told.trips
    assert out.distance == pytest.approx(10_000, rel=0.01)
    assert back.distance == pytest.approx(10_000, rel=0.01)
    assert out.end_lon == pytest.approx(back.start_lon, abs=1e-4)
    assert [(what, job) for what, job, _ in told.visits] == [
        ("Arrived", 1),
        ("Departed", 1),
        ("Arrived", 1),
    ]


@pytest.mark.parametrize("lat", [84.99, 85.01, -88.0, 89.99])
def test_a_drive_near_a_pole(lat: float) -> None:
    track = Track(lat=lat, sigma=5).fix().stay(600)
    told = tell(track.drive(60, seconds=600, bearing=90).stay(600), [site(lat, 25.0)])

    assert told.flagged == {}
    (trip,) = told.trips
    assert trip.distance == pytest.approx(10_000, rel=0.02)
    assert [(what, job) for what, job, _ in told.visits] == [("Arrived", 1), ("Departed", 1)]


@pytest.mark.parametrize("lat", [90.0, -90.0])
def test_standing_at_a_pole(lat: float) -> None:
    """All longitudes are one place there, and a mean of them means nothing."""
    told = tell(Track(lat=lat, sigma=20, accuracy=20).fix().stay(3_600), [site(lat, 0.0)])

    assert told.flagged == {}
    assert told.metres == 0.0
    assert [(what, job) for what, job, _ in told.visits] == [("Arrived", 1)]


def test_over_the_pole() -> None:
    track = Track(lat=89.95, lon=25.0).fix().stay(600).drive(60, seconds=330)
    # 60 m before it; as far behind it with the next fix.
    track.lon -= 180.0
    told = tell(track.drive(60, seconds=330, bearing=180).stay(600))

    assert told.flagged == {}
    assert told.times == [(600.0, 1_260.0)]
    assert told.metres == pytest.approx(2 * 5_500 + 120, rel=0.02)
