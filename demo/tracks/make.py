"""Write the sample tracks: simulated drives, in the form in which a phone records one.

python -m demo.tracks.make
"""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import gpxpy.gpx

from demo.rounds import Rounds, Stop
from demo.streets import load_streets
from demo.world import Company, load_company

DIRECTORY = Path(__file__).resolve().parent
# name, company, the customers to visit, start in UTC
TRACKS = (
    ("karhula", "acme", ("harper", "gray", "dairy"), datetime(2026, 11, 2, 7, 30, tzinfo=UTC)),
    ("helsinki", "globex", ("hotel", "archive"), datetime(2026, 11, 3, 9, 15, tzinfo=UTC)),
)
SEED = 7


def record(company: Company, customers: tuple[str, ...], start: datetime) -> gpxpy.gpx.GPX:
    """Drive to these customers in turn; one point per 2 s of driving and per 30 s of standing."""
    streets = load_streets(company.schema)
    rng = random.Random(SEED)
    first = company.customer(company.customers[-1].key)
    rounds = Rounds(streets=streets, start=streets.nearest((first.lat, first.lon)), rng=rng)
    segment = gpxpy.gpx.GPXTrackSegment()
    seconds, since_point = 0, rounds.fix_interval
    stops = [company.customer(key) for key in customers]
    while stops or not rounds.idle:
        if rounds.idle:
            stop = stops.pop(0)
            rounds.go_to(Stop(stop.key, stop.street, (stop.lat, stop.lon)))
        if since_point >= rounds.fix_interval:
            since_point = 0
            reading = rounds.read()
            moment = start + timedelta(seconds=seconds)
            segment.points.append(gpxpy.gpx.GPXTrackPoint(reading.lat, reading.lon, time=moment))
        rounds.tick(1)
        seconds += 1
        since_point += 1
    gpx = gpxpy.gpx.GPX()
    gpx.creator = "Sera demo/tracks/make.py"
    gpx.name = f"Simulated drive in {company.town}"
    gpx.description = (
        "Simulated by demo/tracks/make.py along OpenStreetMap streets with artificial GPS error; "
        "not recorded by a person. Streets © OpenStreetMap contributors, ODbL."
    )
    gpx.time = start
    gpx.tracks.append(gpxpy.gpx.GPXTrack(name=gpx.name))
    gpx.tracks[0].segments.append(segment)
    return gpx


def main() -> None:
    """Write all tracks beside this file."""
    for name, schema, customers, start in TRACKS:
        gpx = record(load_company(schema), customers, start)
        path = DIRECTORY / f"{name}.gpx"
        path.write_text(gpx.to_xml(prettyprint=True), encoding="utf-8")
        print(f"{path.name}  {len(gpx.tracks[0].segments[0].points)} points")


if __name__ == "__main__":
    main()
