"""A technician's way over some hours, to be drawn and played."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tracking.drawing import simplify
from tracking.models import Fix, Trip, Visit


class Replay(msgspec.Struct, frozen=True):
    """A line as GeoJSON has it, [longitude, latitude] in degrees, with the moment of each point;
    what it was made of; and the trips and visits that touch the time."""

    coordinates: list[tuple[float, float]]
    times: list[datetime]
    fixes: int
    flagged: int
    trips: list[Trip]
    visits: list[Visit]


def replay_of(*, technician: int, since: datetime, until: datetime, tolerance: float) -> Replay:
    """The good fixes with since ≤ recorded_at < until, as few as play the same.

    `tolerance` in metres: between the line's points, at no moment are they further off.
    """
    rows = Fix.objects.filter(
        technician_id=technician, recorded_at__gte=since, recorded_at__lt=until
    )
    good = list(
        rows.filter(reason=None)
        .order_by("recorded_at", "id")
        .values_list("lat", "lon", "recorded_at")
    )
    drawing = simplify(
        [(lat, lon) for lat, lon, _ in good], [at for *_, at in good], tolerance=tolerance
    )
    mine = {"technician_id": technician}
    return Replay(
        drawing.coordinates,
        [good[index][2] for index in drawing.indices],
        len(good),
        rows.exclude(reason=None).count(),
        list(
            Trip.objects.filter(**mine, started_at__lt=until, ended_at__gte=since).order_by(
                "started_at"
            )
        ),
        list(
            Visit.objects.filter(**mine, arrived_at__lt=until)
            .exclude(left_at__lt=since)
            .order_by("arrived_at")
        ),
    )
