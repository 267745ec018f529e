"""Rows of the past, as ingest and the engine would have left them. In the present company."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from tracking.models import Checkpoint, Fix, Position, Trip, Visit


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def fix(at: str, *, technician: int = 1, reason: str | None = None, **fields: Any) -> Fix:
    return Fix.objects.create(
        **{
            "technician_id": technician,
            "id": uuid.uuid4(),
            "recorded_at": moment(at),
            "received_at": moment(at),
            "lat": 1.0,
            "lon": 2.0,
            "reason": reason,
            **fields,
        }
    )


def trip(start: str, end: str, *, distance: float = 0.0, technician: int = 1) -> Trip:
    return Trip.objects.create(
        technician_id=technician,
        started_at=moment(start),
        ended_at=moment(end),
        settled_at=moment(end) + timedelta(minutes=3),
        start_lat=1.0,
        start_lon=2.0,
        end_lat=1.5,
        end_lon=2.5,
        distance=distance,
        fixes=2,
    )


def visit(arrived: str, left: str | None, *, crossing: bool = False, technician: int = 1) -> Visit:
    return Visit.objects.create(
        technician_id=technician,
        job_id=1,
        arrived_at=moment(arrived),
        arrived_by=moment(arrived),
        left_at=None if left is None else moment(left),
        left_by=None if left is None else moment(left),
        crossing=crossing,
    )


def checkpoint(at: str, *, technician: int = 1) -> Checkpoint:
    return Checkpoint.objects.create(
        technician_id=technician, recorded_at=moment(at), state=b"a state"
    )


def position(at: str, *, technician: int = 1) -> Position:
    return Position.objects.create(
        technician_id=technician, recorded_at=moment(at), received_at=moment(at), lat=1.0, lon=2.0
    )
