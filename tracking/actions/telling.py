"""Writing down what the engine found: trips, visits, verdicts of earlier fixes, checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal
from uuid import UUID

from django.db.backends.utils import CursorWrapper

from tenants.context import in_schema
from tracking.actions.following import from_engine_time
from tracking.engine import Arrived, Crossed, Departed, Event, Reason, TripEnded
from tracking.messages import Proposal

# A track that waits to be worked through again may find twice what it will find once; the last
# one counts, and no phone's upload fails for it.
_TRIP = """
INSERT INTO {schema}.tracking_trip AS held (
    technician_id, settled_at, started_at, ended_at, start_lat, start_lon, end_lat, end_lon,
    distance, fixes
) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (technician_id, started_at) DO UPDATE SET
    settled_at = EXCLUDED.settled_at, ended_at = EXCLUDED.ended_at,
    start_lat = EXCLUDED.start_lat, start_lon = EXCLUDED.start_lon,
    end_lat = EXCLUDED.end_lat, end_lon = EXCLUDED.end_lon,
    distance = EXCLUDED.distance, fixes = EXCLUDED.fixes
"""
_VISIT = """
INSERT INTO {schema}.tracking_visit (
    technician_id, job_id, arrived_at, arrived_by, left_at, left_by, crossing
) VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (technician_id, job_id, arrived_at) DO UPDATE SET
    arrived_by = EXCLUDED.arrived_by, left_at = EXCLUDED.left_at, left_by = EXCLUDED.left_by,
    crossing = EXCLUDED.crossing
"""
_LEFT = """
UPDATE {schema}.tracking_visit SET left_at = %s, left_by = %s
WHERE technician_id = %s AND job_id = %s AND arrived_at = %s
"""
_REASONS = """
UPDATE {schema}.tracking_fix AS fix SET reason = new.reason
FROM unnest(%s::uuid[], %s::text[]) AS new (id, reason)
WHERE fix.technician_id = %s AND fix.id = new.id AND fix.reason IS DISTINCT FROM new.reason
"""
_CHECKPOINT = """
INSERT INTO {schema}.tracking_checkpoint (technician_id, recorded_at, state) VALUES (%s, %s, %s)
ON CONFLICT (technician_id, recorded_at) DO UPDATE SET state = EXCLUDED.state
"""


def write_events(
    cursor: CursorWrapper, schema: str, technician_id: int, events: Iterable[Event]
) -> None:
    """Write down trips and visits, in the order in which they were found."""
    # Who drives to and fro crosses sites by the thousand: the driver sends those together.
    for text, alike in groupby(map(partial(_written, technician_id), events), itemgetter(0)):
        cursor.executemany(in_schema(text, schema), [row for _, row in alike])


def _written(technician_id: int, event: Event) -> tuple[str, tuple[Any, ...]]:
    """The statement of an event, and its values."""
    by = from_engine_time(event.by)
    match event:
        case TripEnded():
            times = map(from_engine_time, (event.started_at, event.ended_at))
            return _TRIP, (technician_id, by, *times, *event[3:])
        case Arrived():
            at = from_engine_time(event.at)
            return _VISIT, (technician_id, event.job, at, by, None, None, False)
        case Crossed():
            at = from_engine_time(event.at)
            return _VISIT, (technician_id, event.job, at, by, at, by, True)
        case Departed():
            at, arrived_at = map(from_engine_time, (event.at, event.arrived_at))
            return _LEFT, (at, by, technician_id, event.job, arrived_at)


def to_proposal(event: Arrived | Departed) -> Proposal:
    """What a technician is told of it."""
    status: Literal["arrived", "left"] = "arrived" if isinstance(event, Arrived) else "left"
    return Proposal(job_id=event.job, status=status, at=from_engine_time(event.at))


def write_reasons(
    cursor: CursorWrapper,
    schema: str,
    technician_id: int,
    reasons: Mapping[UUID, Reason | None],
) -> int:
    """Give stored fixes other verdicts; returns how many had another one."""
    if not reasons:
        return 0
    cursor.execute(
        in_schema(_REASONS, schema), (list(reasons), list(reasons.values()), technician_id)
    )
    return cursor.rowcount


def write_checkpoints(
    cursor: CursorWrapper,
    schema: str,
    checkpoints: Sequence[tuple[int, datetime, bytes]],
) -> None:
    """Write down technicians' states after fixes of these moments."""
    if checkpoints:
        cursor.executemany(in_schema(_CHECKPOINT, schema), checkpoints)
