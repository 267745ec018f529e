"""Reads of people and work that more than one door needs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

from django.conf import settings
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet
from django.utils import timezone

from dispatch.models import Job, PhoneSession, Shift, Technician, User
from dispatch.work_hours import AtWork, JobAtWork
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


def at_work(
    cursor: CursorWrapper,
    schema: str,
    technicians: Iterable[int],
    *,
    since: datetime,
    until: datetime,
    most: int | None = None,
) -> dict[int, AtWork]:
    """Shifts and jobs of these technicians of one company from `since` until `until`.

    A job counts from JOB_NEAR_HOURS before its window until as long after it; cancelled ones do
    not. Of each technician at most `most`, the latest; None: JOBS_AT_WORK.
    """
    near = timedelta(hours=settings.JOB_NEAR_HOURS)
    numbers = list(technicians)
    cursor.execute(
        _at_work(schema),
        [until, since, until + near, since - near, most or settings.JOBS_AT_WORK, numbers],
    )
    return {
        technician: AtWork(
            [(start, end) for start, end in shifts or []] if planned else None,
            [JobAtWork(*job) for job in jobs or []],
        )
        for technician, planned, shifts, jobs in cursor.fetchall()
    }


@lru_cache(maxsize=5_000)
def _at_work(schema: str) -> str:
    # Lists of numbers as JSON: one row a technician, and little to read.
    return """
        SELECT technician.id,
            EXISTS (SELECT FROM {schema}.dispatch_shift s WHERE s.technician_id = technician.id),
            (
                SELECT json_agg(json_build_array(
                    EXTRACT(epoch FROM s.starts_at)::float8, EXTRACT(epoch FROM s.ends_at)::float8
                ) ORDER BY s.starts_at)
                FROM {schema}.dispatch_shift s
                WHERE s.technician_id = technician.id AND s.starts_at <= %s AND s.ends_at >= %s
            ),
            (
                SELECT json_agg(json_build_array(
                    near.id, near.lat, near.lon,
                    EXTRACT(epoch FROM near.starts_at)::float8,
                    EXTRACT(epoch FROM near.ends_at)::float8,
                    EXTRACT(epoch FROM near.on_the_way_at)::float8,
                    EXTRACT(epoch FROM near.arrived_at)::float8,
                    EXTRACT(epoch FROM near.done_at)::float8
                ) ORDER BY near.id)
                FROM (
                    SELECT * FROM {schema}.dispatch_job job
                    WHERE job.technician_id = technician.id AND job.status <> 'cancelled'
                      AND job.starts_at <= %s AND job.ends_at >= %s
                    ORDER BY job.starts_at DESC LIMIT %s
                ) near
            )
        FROM {schema}.dispatch_technician technician
        WHERE technician.id = ANY(%s)
    """.replace("{schema}", quoted_schema(schema))
