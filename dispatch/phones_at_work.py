"""What is asked for every upload of a phone: whether it is signed in, and what its user does.

Statements for many phones of one company at once, which name the schema themselves. Sending one
and reading its rows are two steps, so that several can be under way together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings

from dispatch.at_work import AtWork, JobAtWork
from tenants.context import in_schema

_SIGNED_IN = """
SELECT phone.id, technician.id
FROM {schema}.dispatch_phonesession phone
JOIN {schema}.dispatch_user person ON person.id = phone.user_id
JOIN {schema}.dispatch_technician technician ON technician.user_id = person.id
WHERE phone.id = ANY(%s::uuid[])
  AND phone.revoked_at IS NULL AND person.is_active AND technician.is_active
"""
# All in one value of JSON: there is little to read.
_AT_WORK = """
SELECT json_agg(json_build_array(
    technician.id,
    EXISTS (SELECT FROM {schema}.dispatch_shift s WHERE s.technician_id = technician.id),
    (
        SELECT json_agg(json_build_array(
            EXTRACT(epoch FROM s.starts_at)::float8, EXTRACT(epoch FROM s.ends_at)::float8
        ) ORDER BY s.starts_at)
        FROM {schema}.dispatch_shift s
        WHERE s.technician_id = technician.id
          AND s.starts_at <= asked.until AND s.ends_at >= asked.since
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
              AND job.starts_at <= asked.until + asked.near
              AND job.ends_at >= asked.since - asked.near
            ORDER BY job.starts_at DESC LIMIT asked.most
        ) near
    )
))::text
FROM (
    SELECT id, to_timestamp(since) AS since, to_timestamp(until) AS until, most, %s AS near
    FROM unnest(%s::int8[], %s::float8[], %s::float8[], %s::int8[]) AS span (id, since, until, most)
) asked
JOIN {schema}.dispatch_technician technician USING (id)
"""

_Row = tuple[int, bool, list[tuple[float, float]] | None, list[JobAtWork] | None]
_rows = msgspec.json.Decoder(list[_Row])


def ask_signed_in_phones(cursor: Any, schema: str, sessions: Iterable[UUID]) -> None:
    """Ask which of these phones' sign-ins in one company are good.

    As `dispatch.auth.user_of_claims` and `technician_of` have it, for many at once.
    """
    cursor.execute(in_schema(_SIGNED_IN, schema), [list(sessions)])


def read_signed_in_phones(cursor: Any) -> set[tuple[UUID, int]]:
    """Those that are, with their technicians."""
    return set(cursor.fetchall())


def ask_at_work(
    cursor: Any,
    schema: str,
    spans: Mapping[int, tuple[datetime, datetime]],
    *,
    most: int | None = None,
) -> None:
    """Ask for shifts and jobs of technicians of one company, of each from one moment until another.

    A job counts from JOB_NEAR_HOURS before its window until as long after it; cancelled ones do
    not. Of each technician at most `most`, the latest; None: JOBS_AT_WORK for each day of the
    span, and JOBS_OF_DAYS altogether.
    """
    cursor.execute(
        in_schema(_AT_WORK, schema),
        [
            timedelta(hours=settings.JOB_NEAR_HOURS),
            list(spans),
            [since.timestamp() for since, _ in spans.values()],
            [until.timestamp() for _, until in spans.values()],
            [_most(*span) if most is None else most for span in spans.values()],
        ],
    )


def _most(since: datetime, until: datetime) -> int:
    days = (until - since).days + 1
    return min(days * settings.JOBS_AT_WORK, settings.JOBS_OF_DAYS)


def read_at_work(cursor: Any) -> dict[int, AtWork]:
    """By the technician; those who do not exist are left out."""
    (text,) = cursor.fetchone()
    return {
        technician: AtWork((shifts or []) if planned else None, jobs or [])
        for technician, planned, shifts, jobs in (_rows.decode(text) if text else ())
    }
