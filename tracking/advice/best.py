"""Who is best sent to a job."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
from django.conf import settings

from dispatch.models import Job
from dispatch.queries import active_technicians
from tracking.advice.candidates import read_candidates
from tracking.advice.errors import JobNotOpenError
from tracking.advice.starts import start_of
from tracking.eta import Place, estimate, travel
from tracking.eta.air import by_air
from tracking.geo import distance
from tracking.ranking import Option, Ranked, Target, rank


class Ranking(msgspec.Struct, frozen=True):
    """`warnings` are about all drives: why the engine was not asked."""

    results: list[Ranked]
    warnings: list[str]


def best_technicians(job: Job, *, now: datetime, zone: ZoneInfo) -> Ranking:
    """All technicians in service, the best to send to `job` first.

    The drives to the job are by road if there is an engine; what lies before and behind them, the
    drive to a current job and the one on to the next, is estimated by air.

    Raises:
        JobNotOpenError: somebody is there already, or nobody is to go.
    """
    if job.status not in (Job.Status.UNASSIGNED, Job.Status.ASSIGNED, Job.Status.ON_THE_WAY):
        raise JobNotOpenError(job)
    site, local = Place(job.lat, job.lon), now.astimezone(zone)
    candidates = read_candidates(active_technicians(), now=now, job=job)
    options, ready = [], []
    for one in candidates:
        start = start_of(one, now=now, local=local)
        if start is None or one.seen is None:
            options.append(Option(one, start.free_in_seconds if start else 0, None, None))
        else:
            ready.append((one, start, one.seen.sighting))
    # The engine is asked for the nearest, where it cannot be asked for all.
    ready.sort(
        key=lambda each: (
            distance(each[1].place.lat, each[1].place.lon, site.lat, site.lon),
            each[0].id,
        )
    )
    found = travel([start.place for _, start, _ in ready], [site], local=local)
    for (one, start, sighting), (leg,) in zip(ready, found.legs, strict=True):
        onward = round(by_air(site, one.next.place, local=local).seconds) if one.next else None
        eta = estimate(leg, sighting, found.warnings)
        options.append(Option(one, start.free_in_seconds, eta, onward))
    target = Target(job.kind, site, job.starts_at, job.ends_at)
    work = timedelta(seconds=settings.JOB_WORK_SECONDS)
    return Ranking(rank(target, options, now=now, work=work), list(found.warnings))
