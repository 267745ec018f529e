"""Writes `tracks/stops.json`: the stops that movingpandas finds in the recorded and made-up tracks.

uv run --python 3.11 --script tests/tracking/stops_oracle.py

Not part of the tests' environment: movingpandas with all that it needs is 327 MB, and what it says
of a track does not change. Run it again after changing a track or a day.
"""

# /// script
# requires-python = ">=3.11"
# dependencies = ["movingpandas==0.23.0", "gpxpy==1.6.2"]
# ///

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import movingpandas
import pandas

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.tracking.gpx import TRACKS, moment, track
from tests.tracking.synthetic import DAYS

#: Metres: half of, as, and more than a circle of our default radius of 75 m.
DIAMETERS = (75, 150, 250)
SECONDS = 180


def stops(fixes: list[dict[str, Any]], diameter: float) -> list[tuple[str, str]]:
    """Stretches of at least SECONDS that fit a rectangle of this diagonal, in UTC."""
    frame = pandas.DataFrame(
        {
            "t": [moment(fix).replace(tzinfo=None) for fix in fixes],
            "x": [fix["lon"] for fix in fixes],
            "y": [fix["lat"] for fix in fixes],
            "track": 1,
        }
    ).set_index("t")
    detector = movingpandas.TrajectoryStopDetector(
        movingpandas.Trajectory(frame, 1, x="x", y="y", crs=4326)
    )
    found = detector.get_stop_time_ranges(diameter, timedelta(seconds=SECONDS))
    return [(f"{stop.t_0.isoformat()}+00:00", f"{stop.t_n.isoformat()}+00:00") for stop in found]


def main() -> None:
    tracks = {path.stem: track(path.stem) for path in sorted(TRACKS.glob("*.gpx"))}
    tracks |= {day.name: day.fixes() for day in DAYS}
    said = {
        name: {str(diameter): stops(fixes, diameter) for diameter in DIAMETERS}
        for name, fixes in tracks.items()
    }
    (TRACKS / "stops.json").write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    main()
