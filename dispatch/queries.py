"""Reads of people and work that more than one door needs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet

from dispatch.models import Job, Shift, Technician, User
from tenants.context import quoted_schema


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


def signed_in_phones(
    cursor: CursorWrapper, schema: str, sessions: Iterable[UUID]
) -> set[tuple[UUID, int]]:
    """Of these phones' sign-ins in one company those that are good, with their technicians.

    As `dispatch.auth.user_of_claims` and `technician_of` have it, for many at once.
    """
    cursor.execute(_signed_in(schema), [list(sessions)])
    return set(cursor.fetchall())


@lru_cache(maxsize=5_000)
def _signed_in(schema: str) -> str:
    return """
        SELECT phone.id, technician.id
        FROM {schema}.dispatch_phonesession phone
        JOIN {schema}.dispatch_user person ON person.id = phone.user_id
        JOIN {schema}.dispatch_technician technician ON technician.user_id = person.id
        WHERE phone.id = ANY(%s)
          AND phone.revoked_at IS NULL AND person.is_active AND technician.is_active
    """.replace("{schema}", quoted_schema(schema))
