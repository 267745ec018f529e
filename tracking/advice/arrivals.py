"""When the technician of a job arrives there."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from dispatch.models import Job
from dispatch.queries import active_technicians
from tracking.advice.candidates import read_candidates
from tracking.advice.errors import JobNotOpenError, NobodyAssignedError
from tracking.advice.starts import start_of
from tracking.eta import Estimate, Place, estimate, travel
from tracking.freshness import PositionState


class Arrival(msgspec.Struct, frozen=True):
    """`eta` is the drive alone, which begins in `free_in_seconds`; None: there is no position."""

    technician_id: int
    position_state: PositionState
    free_in_seconds: int
    eta: Estimate | None


def arrival_at(job: Job, *, now: datetime, zone: ZoneInfo) -> Arrival:
    """From the live position; or, while the technician is at another job, from there afterwards.

    Raises:
        JobNotOpenError: the job is done, cancelled, or the technician is there.
        NobodyAssignedError: nobody in service has it.
    """
    if job.status in (Job.Status.ARRIVED, Job.Status.DONE, Job.Status.CANCELLED):
        raise JobNotOpenError(job)
    technicians = active_technicians().filter(jobs=job)
    found = read_candidates(technicians, now=now, job=job)
    if not found:
        raise NobodyAssignedError(job)
    (candidate,) = found
    local = now.astimezone(zone)
    if job.status == Job.Status.ON_THE_WAY:
        # Who says to be on the way here is not at another job any more.
        candidate = msgspec.structs.replace(candidate, current=None)
    start = start_of(candidate, now=now, local=local)
    if start is None or candidate.seen is None:
        return Arrival(
            candidate.id, PositionState.NONE, start.free_in_seconds if start else 0, None
        )
    drives = travel([start.place], [Place(job.lat, job.lon)], local=local)
    sighting = candidate.seen.sighting
    eta = estimate(drives.legs[0][0], sighting, drives.warnings)
    return Arrival(candidate.id, sighting.state, start.free_in_seconds, eta)
