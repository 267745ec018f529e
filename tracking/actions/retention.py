"""Deleting positions that are older than a company keeps them."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from cable import broadcast_state
from dispatch.models import Technician
from tenants.context import current_schema
from tenants.streams import company_stream
from tracking.actions.deleting_days import Scope, delete_batch, delete_some
from tracking.actions.storing import MAP_STREAM
from tracking.actions.track_lock import lock_track
from tracking.messages import map_key, map_removal
from tracking.models import Correction, Position, Statement, Viewing
from tracking.queries import policy
from tracking.queries.days import day_begins, day_of


def delete_expired_positions(*, zone: ZoneInfo, now: datetime) -> int:
    """Delete what is older than Policy.retention_days whole days, before today; returns how many.

    `zone` is the company's. Fixes and what was worked out from them go day by day, the oldest
    first, and leave the day's total behind. Trips and visits stay until they are that old at their
    end. Statements, corrections and viewings go by when they were made. Each transaction deletes
    at most RETENTION_BATCH_ROWS rows and locks one technician's track. Stops after
    RETENTION_RUN_SECONDS; calling it again goes on.

    Raises:
        NoCompanyError: outside of a company's scope.
    """
    deadline = time.monotonic() + settings.RETENTION_RUN_SECONDS
    first_kept = day_of(now, zone) - timedelta(policy().retention_days)
    deleted = 0
    for technician_id in Technician.objects.order_by("pk").values_list("pk", flat=True):
        deleted += _delete_of_one(technician_id, first_kept, zone, deadline)
        if time.monotonic() > deadline:
            break
    return deleted


def remove_position(technician_id: int, *, before: datetime | None) -> int:
    """Forget where a technician is, if that is of before `before`; null: in any case.

    In the present transaction, with the technician's track locked: what the engine remembers of
    them goes too, and after the commit the map loses the marker. Returns 1 if it was there, or 0.
    """
    track = lock_track(technician_id)
    position = Position.objects.filter(technician_id=technician_id).first()
    if before is not None and (position is None or position.recorded_at >= before):
        return 0
    track.state, track.lag = b"", None
    track.save(update_fields=["state", "lag"])
    if position is None:
        return 0
    position.delete()
    removal = {map_key(technician_id): map_removal(position.recorded_at)}
    broadcast_state(company_stream(current_schema(), MAP_STREAM), removal)
    return 1


def _delete_of_one(technician_id: int, first_kept: date, zone: ZoneInfo, deadline: float) -> int:
    kept_from = day_begins(first_kept, zone)
    scope = Scope(technician_id, zone, before=first_kept, ended_before=kept_from)
    deleted = 0
    while time.monotonic() < deadline:
        with transaction.atomic():
            batch = delete_batch(scope, limit=settings.RETENTION_BATCH_ROWS, keep_total=True)
        if batch is None:
            break
        deleted += sum(batch)
    with transaction.atomic():
        deleted += remove_position(technician_id, before=kept_from)
    for rows in _aged(technician_id, kept_from):
        while time.monotonic() < deadline:
            some = delete_some(rows, settings.RETENTION_BATCH_ROWS)
            deleted += some
            if some < settings.RETENTION_BATCH_ROWS:
                break
    return deleted


def _aged(technician_id: int, kept_from: datetime) -> list[QuerySet[Any]]:
    return [
        Statement.objects.filter(technician_id=technician_id, stated_at__lt=kept_from),
        Correction.objects.filter(technician_id=technician_id, corrected_at__lt=kept_from),
        Viewing.objects.filter(technician_id=technician_id, last_at__lt=kept_from),
    ]
