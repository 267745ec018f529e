"""Reads of positions that more than one door needs."""

from __future__ import annotations

import uuid
from datetime import datetime

import msgspec
from django.conf import settings
from django.db.models import Q, QuerySet

from cable import State
from dispatch.models import User
from dispatch.queries import active_technicians, visible_technicians
from tracking.messages import (
    PositionBody,
    TechnicianOnMap,
    TechnicianPosition,
    TechniciansOnMap,
    map_key,
    map_state,
)
from tracking.models import Fix, Position

POSITION_FIELDS = PositionBody.__struct_fields__


class FixesAfter(msgspec.Struct, frozen=True):
    """Where a page of history begins: after this moment and id, which order it."""

    recorded_at: datetime
    id: uuid.UUID


def visible_positions(user: User) -> list[TechnicianPosition]:
    """The latest position of each technician whom the user may see."""
    rows = Position.objects.filter(technician__in=visible_technicians(user))
    return [
        TechnicianPosition(**row)
        for row in rows.order_by("technician_id").values("technician_id", *POSITION_FIELDS)
    ]


def technicians_on_map() -> TechniciansOnMap:
    """Every technician in service, by name."""
    return TechniciansOnMap(
        thresholds=settings.FRESHNESS_SECONDS,
        technicians=[
            TechnicianOnMap(
                id=technician.pk,
                name=technician.name,
                initials=technician.initials,
                color=technician.color,
            )
            for technician in active_technicians()
        ],
    )


def live_positions() -> dict[str, State]:
    """The latest position of each technician in service, as the map's stream keeps it."""
    rows = Position.objects.filter(technician__in=active_technicians())
    return {
        map_key(row.pop("technician_id")): map_state(PositionBody(**row))
        for row in rows.values("technician_id", *POSITION_FIELDS)
    }


def fixes_of(
    *,
    technician: int,
    since: datetime | None,
    until: datetime | None,
    after: FixesAfter | None,
) -> QuerySet[Fix]:
    """One technician's fixes with since ≤ recorded_at < until, in the order of the phone's clock.

    `after` continues behind the last fix of a page; fixes of equal time are ordered by id.
    """
    rows = Fix.objects.filter(technician_id=technician).order_by("recorded_at", "id")
    if since:
        rows = rows.filter(recorded_at__gte=since)
    if until:
        rows = rows.filter(recorded_at__lt=until)
    if after:
        rows = rows.filter(
            Q(recorded_at__gt=after.recorded_at) | Q(recorded_at=after.recorded_at, id__gt=after.id)
        )
    return rows
