"""The sites at which somebody may have been in the past."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db.backends.utils import CursorWrapper

from dispatch.at_work import NOT_PLANNED, AtWork, JobAtWork
from dispatch.models import Job
from dispatch.phones_at_work import ask_at_work, read_at_work
from tracking.actions.following import to_engine_time, to_sites
from tracking.engine import Site

Times = list[tuple[datetime, datetime | None]]
#: When somebody was at jobs' sites, by the job.
Visits = dict[int, Times]


def past_sites(
    cursor: CursorWrapper,
    schema: str,
    technician_id: int,
    span: tuple[datetime, datetime],
    visits: Visits,
    *,
    radius: float,
) -> list[Site]:
    """The sites of a technician's jobs of a span of time; and those of `visits`, though these jobs
    have been cancelled, moved or given to somebody else since.
    """
    ask_at_work(cursor, schema, {technician_id: span}, most=settings.SETTLE_MAX_FIXES)
    jobs = list(read_at_work(cursor).get(technician_id, NOT_PLANNED).jobs)
    for job in Job.objects.filter(pk__in=visits.keys() - {job.id for job in jobs}):
        window = job.starts_at.timestamp(), job.ends_at.timestamp()
        jobs.append(JobAtWork(job.pk, job.lat, job.lon, *window, None, None, None))
    sites = to_sites(
        AtWork(None, sorted(jobs)), radius=radius, near=timedelta(hours=settings.JOB_NEAR_HOURS)
    )
    return [_while_there(site, visits.get(site.job, ())) for site in sites]


def _while_there(site: Site, times: Iterable[tuple[datetime, datetime | None]]) -> Site:
    """The site, counting also while somebody was there."""
    moments = [to_engine_time(moment) for pair in times for moment in pair if moment]
    return site._replace(since=min([site.since, *moments]), until=max([site.until, *moments]))
