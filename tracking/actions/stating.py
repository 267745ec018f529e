"""What technicians say of their visits."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from dispatch.errors import BadInputError, FieldError
from dispatch.models import Job, Technician, User
from dispatch.moments import require_tellable
from tracking.models import Statement


def state_visit(
    *,
    job: Job,
    technician: Technician,
    arrived_at: datetime | None,
    left_at: datetime | None,
    stated_by: User,
) -> Statement:
    """Keep what is said of a visit, beside what the fixes say and what was said before.

    `arrived_at` None: was not there. `left_at` None: not said.

    Raises:
        BadInputError: a moment cannot be, or left before or without arriving.
    """
    now = timezone.now()
    for field, moment in (("arrived_at", arrived_at), ("left_at", left_at)):
        if moment is not None:
            require_tellable(field, moment, now=now)
    if left_at is not None and (arrived_at is None or left_at < arrived_at):
        arrival = "null: nobody was there" if arrived_at is None else arrived_at.isoformat()
        raise BadInputError(
            FieldError(
                "left_at",
                left_at.isoformat(),
                f"must be null or not before arrived_at, which is {arrival}",
            )
        )
    return Statement.objects.create(
        job=job,
        technician=technician,
        arrived_at=arrived_at,
        left_at=left_at,
        stated_by=stated_by,
        stated_at=now,
    )
