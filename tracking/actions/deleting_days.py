"""Deleting what is known of a technician's days, oldest first, a batch at a time."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import Min, Model, Q, QuerySet

from tracking.actions.track_lock import lock_track
from tracking.models import Checkpoint, DayTotal, Fix, Trip, Visit
from tracking.queries.days import day_begins, day_figures, day_of


class Deleted(NamedTuple):
    """Rows that are gone."""

    fixes: int
    trips: int
    visits: int
    checkpoints: int


class Scope(NamedTuple):
    """Which days of whom: those before `before`, all if null. Of trips and visits that are to be
    kept with their end, only those that ended before `ended_before`.
    """

    technician_id: int
    zone: ZoneInfo
    before: date | None = None
    ended_before: datetime | None = None


def delete_batch(scope: Scope, *, limit: int, keep_total: bool) -> Deleted | None:
    """Delete up to `limit` rows of the oldest day, in the present transaction.

    Returns what was deleted; None when no such day has rows left. Locks the technician's track,
    so that the day that is found, its total and what is deleted are of the same moment. With
    `keep_total` the day's total is written first, unless it was before: then it stays as it is,
    since some of the day's rows may be gone already.
    """
    lock_track(scope.technician_id)
    rows = _rows(scope)
    day = _oldest_day(rows, scope.zone)
    if day is None or (scope.before is not None and day >= scope.before):
        return None
    after = day + timedelta(1)
    if keep_total:
        _keep_total(scope.technician_id, day, scope.zone)
    ends = day_begins(after, scope.zone)
    counts: list[int] = []
    for each, moment in rows:
        left = limit - sum(counts)
        counts.append(delete_some(each.filter(**{f"{moment}__lt": ends}), left) if left else 0)
    return Deleted(*counts)


def delete_some(rows: QuerySet[Any], limit: int) -> int:
    """Delete at most so many of the rows, in their order; returns how many.

    For tables that no other refers to: `delete()` would read all rows first to see to that.
    """
    model: type[Model] = rows.model
    chosen = model._default_manager.filter(pk__in=rows.values("pk")[:limit])
    return chosen._raw_delete(chosen.db)


def _rows(scope: Scope) -> list[tuple[QuerySet[Any], str]]:
    """In the order of `Deleted`, with the column that says to which day a row belongs."""
    trips, visits = Q(), Q()
    if scope.ended_before is not None:
        trips = Q(ended_at__lt=scope.ended_before)
        # Nobody is at a site for longer than positions are kept: its end was never seen.
        visits = Q(left_at__lt=scope.ended_before) | Q(
            left_at=None, arrived_by__lt=scope.ended_before
        )
    whose = Q(technician_id=scope.technician_id)
    return [
        (Fix.objects.filter(whose).order_by("recorded_at", "id"), "recorded_at"),
        (Trip.objects.filter(whose, trips).order_by("started_at"), "started_at"),
        (Visit.objects.filter(whose, visits).order_by("arrived_at"), "arrived_at"),
        (Checkpoint.objects.filter(whose).order_by("recorded_at"), "recorded_at"),
    ]


def _oldest_day(rows: list[tuple[QuerySet[Any], str]], zone: ZoneInfo) -> date | None:
    found = [each.order_by().aggregate(first=Min(moment))["first"] for each, moment in rows]
    moments = [moment for moment in found if moment is not None]
    return day_of(min(moments), zone) if moments else None


def _keep_total(technician_id: int, day: date, zone: ZoneInfo) -> None:
    (figures,) = day_figures(
        technician=technician_id, since=day, until=day + timedelta(1), zone=zone
    )
    if figures.frozen or figures.is_empty:
        return
    DayTotal.objects.create(
        technician_id=technician_id,
        day=day,
        distance=figures.distance,
        travel_seconds=figures.travel_seconds,
        on_site_seconds=figures.on_site_seconds,
        trips=figures.trips,
        visits=figures.visits,
        fixes=figures.fixes,
        flagged=figures.flagged,
    )
