"""Reads of trips."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet

from tracking.models import Trip


def trips_of(
    *,
    technician: int,
    since: datetime | None,
    until: datetime | None,
    after: datetime | None,
) -> QuerySet[Trip]:
    """One technician's trips with since ≤ started_at < until, in order.

    `after` continues behind the last trip of a page: no two of a technician start at once.
    """
    rows = Trip.objects.filter(technician_id=technician).order_by("started_at")
    if since:
        rows = rows.filter(started_at__gte=since)
    if until:
        rows = rows.filter(started_at__lt=until)
    if after:
        rows = rows.filter(started_at__gt=after)
    return rows
