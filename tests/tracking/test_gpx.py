"""The reader of the tests' own tracks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from tests.tracking.gpx import every, moment, parked, read_gpx, sparse, track

FILE = """<?xml version="1.0"?>
<gpx xmlns="http://www.topografix.com/GPX/1/1" version="1.1" creator="test"><trk><trkseg>
<trkpt lat="60.5" lon="26.9"><ele>7</ele><time>2026-11-02T07:00:00Z</time><hdop>1.2</hdop></trkpt>
<trkpt lat="60.6" lon="26.9"/>
</trkseg><trkseg>
<trkpt lat="60.7" lon="-26.9"><time>2026-11-02T10:00:10.5+02:00</time></trkpt>
</trkseg></trk></gpx>"""


def test_points_with_a_time_become_fixes(tmp_path: Path) -> None:
    path = tmp_path / "one.gpx"
    path.write_text(FILE)
    first, second = read_gpx(path)
    assert first == {
        "id": "ec7681f7-1ff3-5971-8fcd-d11bcf4961be",
        "recorded_at": "2026-11-02T07:00:00+00:00",
        "lat": 60.5,
        "lon": 26.9,
        "accuracy": 6.0,
        "altitude": 7.0,
    }
    assert moment(second) == datetime(2026, 11, 2, 8, 0, 10, 500_000, tzinfo=UTC)
    assert (second["lat"], second["lon"]) == (60.7, -26.9)
    assert second["accuracy"] is None
    assert second["id"] == "a6024070-e1c5-5eb3-a866-4c3911da7995"


@pytest.mark.parametrize(
    ("name", "count"),
    [("car", 104), ("forest", 513), ("lake", 296), ("mountain", 1500), ("run", 988)],
)
def test_tracks_are_in_the_order_of_time_and_each_fix_has_its_own_id(name: str, count: int) -> None:
    fixes = track(name)
    assert len(fixes) == count == len({fix["id"] for fix in fixes})
    assert [moment(fix) for fix in fixes] == sorted(moment(fix) for fix in fixes)


def test_thinner_variants() -> None:
    fixes = track("run")
    assert every(fixes, 5) == [fixes[at] for at in range(0, 988, 5)]
    thin = sparse(fixes)
    assert thin[0] == fixes[0]
    assert len(thin) == 19
    gaps = [moment(b) - moment(a) for a, b in pairwise(thin)]
    # The run's fixes are at most 12 s apart.
    assert all(timedelta(seconds=300) <= gap <= timedelta(seconds=312) for gap in gaps)


def test_a_parked_phone_is_where_the_track_ends() -> None:
    fixes = track("car")
    *same, last = parked(fixes)
    assert same == fixes
    assert (last["lat"], last["lon"]) == (fixes[-1]["lat"], fixes[-1]["lon"])
    assert moment(last) - moment(fixes[-1]) == timedelta(seconds=300)
    assert last["id"] not in {fix["id"] for fix in fixes}
