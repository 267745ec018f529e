"""What a technician does with a job: drive there, arrive, finish."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from dispatch.errors import BadInputError, FieldError
from dispatch.models import Job, Technician
from dispatch.moments import require_tellable

Status = Job.Status

# From where each may be reached. Who arrived without a word went on the way without one.
_BEFORE: dict[Status, tuple[Status, ...]] = {
    Status.ON_THE_WAY: (Status.ASSIGNED,),
    Status.ARRIVED: (Status.ASSIGNED, Status.ON_THE_WAY),
    Status.DONE: (Status.ARRIVED,),
}


@transaction.atomic
def set_on_the_way(*, job: Job, at: datetime | None = None) -> Job:
    """The job's technician drives there since `at`, or now. Locks the job and the technician.

    Raises:
        BadInputError: the job is not assigned, or the technician is on the way to another.
        Job.DoesNotExist: it was given to somebody else meanwhile.
    """
    job, at = _begin(job, Status.ON_THE_WAY, at)
    # One at a time, also when two phones speak at the same moment.
    Technician.objects.select_for_update(no_key=True).get(jobs=job)
    other = Job.objects.filter(technician=job.technician_id, status=Status.ON_THE_WAY).first()
    if other is not None:
        raise BadInputError(
            FieldError(
                "status",
                Status.ON_THE_WAY.value,
                f"is that of job {other.pk} of the same technician; it must arrive first",
            ),
            status=409,
        )
    job.on_the_way_at = at
    return _save(job, "on_the_way_at")


@transaction.atomic
def arrive(*, job: Job, at: datetime | None = None) -> Job:
    """The job's technician is there since `at`, or now. Locks the job.

    `at` may lie before `on_the_way_at`: fixes may know better than when the button was pressed.

    Raises:
        BadInputError: the job is neither assigned nor on the way.
        Job.DoesNotExist: it was given to somebody else meanwhile.
    """
    job, job.arrived_at = _begin(job, Status.ARRIVED, at)
    return _save(job, "arrived_at")


@transaction.atomic
def finish(*, job: Job, at: datetime | None = None) -> Job:
    """The job is done since `at`, or now. Locks the job.

    Raises:
        BadInputError: its technician has not arrived, or arrived later.
        Job.DoesNotExist: it was given to somebody else meanwhile.
    """
    told = at
    job, at = _begin(job, Status.DONE, at)
    arrived_at = job.arrived_at or at
    if told is not None and told < arrived_at:
        raise BadInputError(
            FieldError(
                "at",
                told.isoformat(),
                f"must not be before the arrival, {arrived_at.isoformat()}",
            )
        )
    job.done_at = max(at, arrived_at)  # a phone's clock may have run ahead
    return _save(job, "done_at")


def _begin(job: Job, wanted: Status, at: datetime | None) -> tuple[Job, datetime]:
    """The locked job with its new status, not saved yet, and the moment."""
    now = timezone.now()
    if at is not None:
        require_tellable("at", at, now=now)
    locked = Job.objects.select_for_update(no_key=True).get(pk=job.pk, technician=job.technician_id)
    if locked.status not in _BEFORE[wanted]:
        allowed = [to.value for to, before in _BEFORE.items() if locked.status in before]
        raise BadInputError(
            FieldError(
                "status",
                wanted.value,
                f"must be {' or '.join(allowed) or 'left as it is'}: job {job.pk} is "
                f"{locked.status}",
            ),
            status=409,
        )
    locked.status = wanted
    return locked, at or now


def _save(job: Job, moment: str) -> Job:
    job.save(update_fields=["status", moment])
    return job
