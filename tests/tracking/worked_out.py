"""What the engine makes of fixes in the native form, without database and server."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.tracking.gpx import moment
from tracking.engine import Engine, Point, State, Thresholds, TripEnded
from tracking.engine.model import UNKNOWN_ACCURACY

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Outcome:
    """`reasons` has the last verdict of each fix; `under_way` the start of a trip without end."""

    points: list[Point]
    reasons: dict[uuid.UUID, str | None]
    trips: list[TripEnded]
    under_way: int | None

    def good(self, since: int, until: int) -> list[Point]:
        """Accepted fixes from a moment to another."""
        good = [point for point in self.points if self.reasons[point.id] is None]
        return [point for point in good if since <= point.at <= until]

    def stops(self, seconds: float = Thresholds().stop_seconds) -> list[Span]:
        """Before, between and after trips, if as long."""
        begins = [self.points[0].at, *(trip.ended_at for trip in self.trips)]
        ends = [trip.started_at for trip in self.trips]
        ends.append(self.points[-1].at if self.under_way is None else self.under_way)
        spans = [(_datetime(a), _datetime(b)) for a, b in zip(begins, ends, strict=True)]
        return [(a, b) for a, b in spans if (b - a).total_seconds() >= seconds]


def work_out(fixes: Iterable[dict[str, Any]]) -> Outcome:
    """With the default thresholds and no sites; fixes in any order."""
    points = sorted((_point(fix) for fix in fixes), key=lambda point: (point.at, point.id))
    engine = Engine(State(), Thresholds(), [])
    for point in points:
        engine.take(point)
    return Outcome(
        points,
        {verdict.id: verdict.reason for verdict in engine.judged},
        [event for event in engine.events if isinstance(event, TripEnded)],
        engine.state.drive.started_at if engine.state.drive else None,
    )


def _point(fix: dict[str, Any]) -> Point:
    at = (moment(fix) - EPOCH) // timedelta(microseconds=1)
    accuracy = fix.get("accuracy")
    return Point(
        at,
        uuid.UUID(fix["id"]),
        fix["lat"],
        fix["lon"],
        UNKNOWN_ACCURACY if accuracy is None else accuracy,
        mock=False,
        ahead=False,
    )


def _datetime(at: int) -> datetime:
    return EPOCH + timedelta(microseconds=at)
