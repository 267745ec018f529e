"""From where, and when, somebody can set out for another job."""

from __future__ import annotations

from datetime import datetime

import msgspec
from django.conf import settings

from tracking.eta import Place
from tracking.eta.air import by_air
from tracking.ranking import Candidate


class Start(msgspec.Struct, frozen=True):
    place: Place
    free_in_seconds: int


def start_of(candidate: Candidate, *, now: datetime, local: datetime) -> Start | None:
    """From the live position at once; or from the current job, when it is done. None: not known.

    A job takes JOB_WORK_SECONDS from arrival; whoever is at it for longer is expected to need
    JOB_LEAST_REMAINING_SECONDS more. The drive to a current job is estimated by air.
    """
    current, seen = candidate.current, candidate.seen
    if current is None:
        return None if seen is None else Start(seen.place, 0)
    if current.arrived_at is None:
        drive = 0.0 if seen is None else by_air(seen.place, current.place, local=local).seconds
        return Start(current.place, round(drive + settings.JOB_WORK_SECONDS))
    there = (now - current.arrived_at).total_seconds()
    left = settings.JOB_WORK_SECONDS - max(0.0, there)
    return Start(current.place, round(max(left, settings.JOB_LEAST_REMAINING_SECONDS)))
