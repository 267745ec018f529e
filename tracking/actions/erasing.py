"""Erasing what is known of one person's whereabouts, because an owner says so."""

from __future__ import annotations

import time
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from dispatch.models import User
from tenants.celery import ask_for
from tracking.actions.deleting_days import Scope, delete_batch
from tracking.actions.retention import remove_position
from tracking.actions.track_lock import lock_track
from tracking.models import Correction, DayTotal, Erasure, Recount, Statement
from tracking.queries.days import day_begins


def erase_positions(
    *, technician_id: int, erased_by: User, until: date | None, keep_totals: bool, zone: ZoneInfo
) -> Erasure:
    """Erase a technician's fixes and all that was worked out from them or said of them.

    Of the days before `until` in the company's time zone; null: all. With `keep_totals` the days'
    sums stay, as they are now: also today's, to which nothing is added later then. Works for
    ERASURE_REQUEST_SECONDS at most; when the answer's `finished_at` is null, a task does the rest.
    The row says for good who erased whose positions, and when.
    """
    erasure = Erasure.objects.create(
        technician_id=technician_id,
        erased_by=erased_by,
        until=until,
        keeps_totals=keep_totals,
        began_at=timezone.now(),
    )
    erasure = continue_erasure(erasure.pk, zone=zone, seconds=settings.ERASURE_REQUEST_SECONDS)
    if erasure.finished_at is None:
        ask_for("tracking.tasks.finish_erasure", erasure.pk)
    return erasure


def continue_erasure(erasure_id: int, *, zone: ZoneInfo, seconds: float) -> Erasure:
    """Go on with an erasure for so long; idempotent.

    Each transaction deletes at most RETENTION_BATCH_ROWS fixes, trips, visits and checkpoints, and
    locks the technician's track: what their phone uploads meanwhile is stored, as if it came after.

    Raises:
        Erasure.DoesNotExist: it was never asked for.
    """
    deadline = time.monotonic() + seconds
    while True:
        with transaction.atomic():
            erasure = Erasure.objects.get(pk=erasure_id)
            lock_track(erasure.technician_id)
            erasure.refresh_from_db()
            if erasure.finished_at is not None:
                return erasure
            _step(erasure, zone)
        if erasure.finished_at is not None or time.monotonic() > deadline:
            return erasure


def _step(erasure: Erasure, zone: ZoneInfo) -> None:
    """One batch; when nothing is left for one, the end."""
    scope = Scope(erasure.technician_id, zone, before=erasure.until)
    until = None if erasure.until is None else day_begins(erasure.until, zone)
    # First of all: the marker leaves the map before the rest is gone.
    remove_position(erasure.technician_id, before=until)
    deleted = delete_batch(
        scope, limit=settings.RETENTION_BATCH_ROWS, keep_total=erasure.keeps_totals
    )
    if deleted is not None:
        erasure.fixes += deleted.fixes
        erasure.trips += deleted.trips
        erasure.visits += deleted.visits
    else:
        _finish(erasure, until)
        erasure.finished_at = timezone.now()
    erasure.save()


def _finish(erasure: Erasure, until: datetime | None) -> None:
    technician_id = erasure.technician_id
    statements = Statement.objects.filter(technician_id=technician_id)
    corrections = Correction.objects.filter(technician_id=technician_id)
    totals = DayTotal.objects.filter(technician_id=technician_id)
    recounts = Recount.objects.filter(technician_id=technician_id)
    if until is not None:
        statements = statements.filter(stated_at__lt=until)
        corrections = corrections.filter(corrected_at__lt=until)
        totals = totals.filter(day__lt=erasure.until)
        recounts = recounts.filter(since__lt=until)
    statements.delete()
    corrections.delete()
    if not erasure.keeps_totals:
        totals.delete()
    recounted, _ = recounts.delete()
    track = lock_track(technician_id)
    if until is not None and (track.state or recounted):
        # What the engine remembers may begin before `until`: it starts there anew.
        track.state = b""
        track.save(update_fields=["state"])
        Recount.objects.create(technician_id=technician_id, since=until, cause="erasure")
        ask_for("tracking.tasks.settle_tracks")
