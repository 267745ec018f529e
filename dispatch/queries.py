"""Reads of people and work that more than one door needs."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet
from django.utils import timezone

from dispatch.models import Job, PhoneSession, Shift, Technician, User


def active_technicians() -> QuerySet[Technician]:
    """Technicians who may be on the road, by name."""
    return Technician.objects.filter(is_active=True)


def technician_of(user: User) -> Technician | None:
    """The technician that this user is, if any and in service."""
    return active_technicians().filter(user=user).first()


def visible_technicians(user: User) -> QuerySet[Technician]:
    """Those whom the user may see: all for owners and dispatchers, themselves for technicians."""
    technicians = active_technicians()
    return technicians if user.may_dispatch else technicians.filter(user=user)


def open_phones(technicians: QuerySet[Technician]) -> QuerySet[PhoneSession]:
    """These technicians' phones that are signed in or have a key, the newest first."""
    return (
        PhoneSession.objects.filter(
            user__technician__in=technicians, revoked_at=None, expires_at__gt=timezone.now()
        )
        .select_related("user__technician")
        .order_by("-created_at", "id")
    )


def visible_jobs(user: User) -> QuerySet[Job]:
    """Jobs that the user may see, in the order of their windows."""
    jobs = Job.objects.select_related("customer", "technician")
    return jobs if user.may_dispatch else jobs.filter(technician__user=user)


def visible_shifts(
    user: User,
    *,
    technician: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[Shift]:
    """Shifts that the user may see and that touch since ≤ t < until, by their beginnings."""
    shifts = Shift.objects.filter(technician__in=visible_technicians(user))
    if technician is not None:
        shifts = shifts.filter(technician=technician)
    if since is not None:
        shifts = shifts.filter(ends_at__gt=since)
    if until is not None:
        shifts = shifts.filter(starts_at__lt=until)
    return shifts.order_by("starts_at", "id")
