"""The way to a job."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from django.conf import settings
from django.db.models import Count, F, Sum

from tracking.models import Trip, Visit


class Journey(msgspec.Struct, frozen=True):
    """The trips to a job's site: metres, seconds under way, how many."""

    distance: float = 0.0
    seconds: float = 0.0
    trips: int = 0


def journey_to(*, job: int, technician: int, arrived_at: datetime) -> Journey:
    """What a technician drove to a job: since they left the one before, and at most for
    JOURNEY_HOURS.

    A trip begins where somebody stood, so before the site around it was left; it belongs to the
    next job if it ends after that.
    """
    begins = arrived_at - timedelta(hours=settings.JOURNEY_HOURS)
    before = (
        Visit.objects.filter(
            technician_id=technician, crossing=False, left_at__gt=begins, left_at__lte=arrived_at
        )
        .exclude(job_id=job)
        .order_by("-left_at")
        .first()
    )
    if before is not None and before.left_at is not None:
        begins = before.left_at
    told = Trip.objects.filter(
        technician_id=technician, ended_at__gt=begins, started_at__lt=arrived_at
    ).aggregate(
        distance=Sum("distance"), seconds=Sum(F("ended_at") - F("started_at")), trips=Count("pk")
    )
    return Journey(
        told["distance"] or 0.0,
        told["seconds"].total_seconds() if told["seconds"] else 0.0,
        told["trips"],
    )
