"""A company's background work on positions."""

from __future__ import annotations

import logging
import time

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from tenants.context import current_schema
from tenants.queries import time_zone_of
from tracking.actions import settle_part, unsettled_technicians
from tracking.actions.erasing import continue_erasure
from tracking.actions.retention import delete_expired_positions as delete_expired
from tracking.queries.erasures import unfinished_erasures

logger = logging.getLogger(__name__)


@shared_task
def settle_tracks() -> int:
    """Work through again what late fixes or another policy changed; returns how many fixes.

    Whatever takes uploads settles what it finds late by itself; this is for what a process did not
    live to do, and for a whole company.
    """
    ends, taken = time.monotonic() + settings.SETTLE_RUN_SECONDS, 0
    for technician in unsettled_technicians():
        more = True
        while more:
            if time.monotonic() > ends:
                settle_tracks.delay()
                return taken
            try:
                count, more = settle_part(technician_id=technician)
            except Exception:  # the next run tries again; others' tracks do not wait for it
                logger.exception("the track of technician %d is not settled", technician)
                break
            taken += count
    return taken


@shared_task
def delete_expired_positions() -> int:
    """Delete what is older than the company keeps positions; returns how many rows.

    Asks for `finish_erasure` of those that are left: the message may have been lost.
    """
    for erasure in unfinished_erasures():
        finish_erasure.delay(erasure)
    return delete_expired(zone=time_zone_of(current_schema()), now=timezone.now())


@shared_task
def finish_erasure(erasure: int) -> None:
    """Go on with an erasure that was too large for its request."""
    zone = time_zone_of(current_schema())
    finished = continue_erasure(erasure, zone=zone, seconds=settings.RETENTION_RUN_SECONDS)
    if finished.finished_at is None:
        finish_erasure.delay(erasure)
