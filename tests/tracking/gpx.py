"""Recorded GPX tracks as the fixes that a phone would have posted, and thinner variants of them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import gpxpy

TRACKS = Path(__file__).parent / "tracks"
#: Metres of position error per unit of horizontal dilution: a usual receiver's under open sky.
METRES_PER_HDOP = 5.0
# The same file gives the same ids in every run.
_NAMESPACE = uuid.UUID("b1b5c1de-5a3e-4c0e-9a52-3f7a8f0c6e11")

Native = dict[str, Any]


def read_gpx(path: Path) -> list[Native]:
    """A file's track points that have a time, in the file's order, as `POST /api/v1/fixes/` takes.

    Degrees, metres; times without a zone are UTC. `accuracy` is from the horizontal dilution, null
    where the file has none. An id is of the file's name and the point's number.
    """
    gpx = gpxpy.parse(path.read_text(encoding="utf-8"))
    points = [point for track in gpx.tracks for part in track.segments for point in part.points]
    return [
        {
            "id": str(uuid.uuid5(_NAMESPACE, f"{path.name}#{number}")),
            "recorded_at": point.time.astimezone(UTC).isoformat(),
            "lat": point.latitude,
            "lon": point.longitude,
            "accuracy": None
            if point.horizontal_dilution is None
            else point.horizontal_dilution * METRES_PER_HDOP,
            "altitude": point.elevation,
        }
        for number, point in enumerate(points)
        if point.time is not None
    ]


def track(name: str) -> list[Native]:
    """One of the recorded tracks beside this file; `tracks/README.md` tells of each."""
    return read_gpx(TRACKS / f"{name}.gpx")


def moment(fix: Native) -> datetime:
    return datetime.fromisoformat(fix["recorded_at"])


def every(fixes: list[Native], nth: int) -> list[Native]:
    """The first fix and each `nth` after it: a phone that reports by count or by distance."""
    return fixes[::nth]


def sparse(fixes: list[Native], seconds: float = 300.0) -> list[Native]:
    """The first fix, and each that is at least `seconds` after the one before it that was kept.

    300 s is how seldom a phone with the defaults of traccar-client reports.
    """
    kept: list[Native] = []
    for fix in fixes:
        if not kept or moment(fix) - moment(kept[-1]) >= timedelta(seconds=seconds):
            kept.append(fix)
    return kept


def parked(fixes: list[Native], seconds: float = 300.0) -> list[Native]:
    """With one made-up fix more, where the track ends: the phone lies there, so the trip ends."""
    last = fixes[-1]
    later = {
        "id": str(uuid.uuid5(_NAMESPACE, f"{last['id']}+{seconds}")),
        "recorded_at": (moment(last) + timedelta(seconds=seconds)).isoformat(),
    }
    return [*fixes, {**last, **later}]
