"""Planning when technicians work, and their clocking in and out."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from dispatch.errors import BadInputError, FieldError
from dispatch.models import Shift, Technician


@transaction.atomic
def plan_shift(*, technician: Technician, starts_at: datetime, ends_at: datetime) -> Shift:
    """Plan a shift. Locks the technician's row.

    Raises:
        BadInputError: it has no length, is longer than SHIFT_MAX_HOURS, or overlaps another.
    """
    _lock(technician.pk)
    _require_length(starts_at, ends_at)
    _require_free(technician.pk, starts_at, ends_at)
    return Shift.objects.create(technician=technician, starts_at=starts_at, ends_at=ends_at)


@transaction.atomic
def change_shift(
    *, shift: Shift, starts_at: datetime | None = None, ends_at: datetime | None = None
) -> Shift:
    """Move a shift's beginning or end; None keeps it. Locks the technician's row.

    Raises:
        BadInputError: as `plan_shift`.
        Shift.DoesNotExist: somebody deleted it meanwhile.
    """
    _lock(shift.technician_id)
    shift.refresh_from_db(fields=["starts_at", "ends_at"])
    starts_at, ends_at = starts_at or shift.starts_at, ends_at or shift.ends_at
    _require_length(starts_at, ends_at)
    _require_free(shift.technician_id, starts_at, ends_at, but=shift.pk)
    shift.starts_at, shift.ends_at = starts_at, ends_at
    shift.save(update_fields=["starts_at", "ends_at"])
    return shift


def delete_shift(*, shift: Shift) -> None:
    """Delete a shift. A technician whose last one it was is not planned, and always works."""
    shift.delete()


@transaction.atomic
def begin_shift(*, technician: Technician) -> Shift:
    """Clock a technician in: a shift from now on. Locks the technician's row.

    It lasts SHIFT_DEFAULT_HOURS, or until the next planned one begins.

    Raises:
        BadInputError: they are on shift already.
    """
    _lock(technician.pk)
    now = timezone.now()
    _require_free(technician.pk, now, now + timedelta(microseconds=1))
    ends_at = now + timedelta(hours=settings.SHIFT_DEFAULT_HOURS)
    planned = technician.shifts.filter(starts_at__gt=now, starts_at__lt=ends_at).first()
    return Shift.objects.create(
        technician=technician, starts_at=now, ends_at=planned.starts_at if planned else ends_at
    )


@transaction.atomic
def end_shift(*, technician: Technician) -> Shift:
    """Clock a technician out: the shift that runs ends now. Locks the technician's row.

    Raises:
        BadInputError: they are not on shift.
    """
    _lock(technician.pk)
    now = timezone.now()
    shift = technician.shifts.filter(starts_at__lt=now, ends_at__gt=now).first()
    if shift is None:
        raise BadInputError(
            FieldError("shift", None, "does not run now; there is none to end"), status=409
        )
    shift.ends_at = now
    shift.save(update_fields=["ends_at"])
    return shift


def _lock(technician_id: int) -> None:
    """Let shifts of one technician be written one after the other; fixes do not wait for it."""
    Technician.objects.select_for_update(no_key=True).get(pk=technician_id)


def _require_length(starts_at: datetime, ends_at: datetime) -> None:
    longest = timedelta(hours=settings.SHIFT_MAX_HOURS)
    if not starts_at < ends_at <= starts_at + longest:
        raise BadInputError(
            FieldError(
                "ends_at",
                ends_at.isoformat(),
                f"must be later than starts_at, {starts_at.isoformat()}, "
                f"by at most {settings.SHIFT_MAX_HOURS} hours",
            )
        )


def _require_free(
    technician_id: int, starts_at: datetime, ends_at: datetime, *, but: int | None = None
) -> None:
    shifts = Shift.objects.filter(
        technician_id=technician_id, starts_at__lt=ends_at, ends_at__gt=starts_at
    )
    other = (shifts if but is None else shifts.exclude(pk=but)).first()
    if other is not None:
        raise BadInputError(
            FieldError(
                "starts_at",
                starts_at.isoformat(),
                f"overlaps shift {other.pk}, from {other.starts_at.isoformat()} "
                f"to {other.ends_at.isoformat()}; a technician's shifts must not overlap",
            ),
            status=409,
        )
