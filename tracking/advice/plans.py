"""In which order one technician best does today's remaining jobs."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec
from django.conf import settings

from dispatch.models import Job, Technician
from dispatch.queries import active_technicians
from tracking.advice.candidates import read_candidates
from tracking.advice.starts import start_of
from tracking.eta import Place, travel
from tracking.planning import Stop, Task, plan


class DayPlan(msgspec.Struct, frozen=True):
    """`provider` None: nothing was to be planned. `unplanned` lacks the technician's skill."""

    stops: list[Stop]
    unplanned: list[int]
    provider: str | None
    warnings: list[str]


def plan_day(technician: Technician, *, now: datetime, zone: ZoneInfo) -> DayPlan:
    """The order of what the technician was given for today, the company's day, and has not begun.

    It begins when the current job is done, from there; else now, at the live position; without one
    at the first job. Jobs past PLAN_MAX_JOBS are left for later. Writes nothing.
    """
    (candidate,) = read_candidates(active_technicians().filter(pk=technician.pk), now=now)
    local = now.astimezone(zone)
    midnight = datetime.combine(local.date(), time(), zone)
    tomorrow = datetime.combine(local.date() + timedelta(days=1), time(), zone)
    jobs = Job.objects.filter(
        technician=technician,
        status=Job.Status.ASSIGNED,
        starts_at__gte=midnight,
        starts_at__lt=tomorrow,
    ).order_by("starts_at", "id")[: settings.PLAN_MAX_JOBS]
    able, unplanned = [], []
    for job in jobs:
        if candidate.skills and job.kind not in candidate.skills:
            unplanned.append(job.pk)
        else:
            able.append(job)
    if not able:
        return DayPlan([], unplanned, None, [])
    sites = [Place(job.lat, job.lon) for job in able]
    start = start_of(candidate, now=now, local=local)
    warnings = []
    if start is None:
        warnings.append("no_position")
    places = [start.place if start else sites[0], *sites]
    drives = travel(places, places, local=local)
    stops = plan(
        [Task(job.pk, job.starts_at, job.ends_at) for job in able],
        [[leg.seconds for leg in row] for row in drives.legs],
        sets_out_at=now + timedelta(seconds=start.free_in_seconds if start else 0),
        work=timedelta(seconds=settings.JOB_WORK_SECONDS),
    )
    return DayPlan(stops, unplanned, drives.legs[0][-1].provider, warnings + list(drives.warnings))
