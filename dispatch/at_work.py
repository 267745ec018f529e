"""What a technician is to do and when they work, for programs that must not ask twice."""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class JobAtWork(NamedTuple):
    """A job that somebody goes to. Moments are seconds of UNIX time; None: did not happen."""

    id: int
    lat: float
    lon: float
    starts_at: float
    ends_at: float
    on_the_way_at: float | None
    arrived_at: float | None
    done_at: float | None


class AtWork(msgspec.Struct, frozen=True):
    """One technician around some moments. `shifts` None: not planned, so always at work."""

    shifts: list[tuple[float, float]] | None
    jobs: list[JobAtWork]

    def on_shift(self, at: float) -> bool:
        """Whether they work at a moment, seconds of UNIX time."""
        return self.shifts is None or any(start <= at < end for start, end in self.shifts)

    def on_trip(self, at: float) -> bool:
        """Whether they are on a job: from “on my way” until it is done."""
        for job in self.jobs:
            begun = job.on_the_way_at is not None and job.on_the_way_at <= at
            if begun and (job.done_at is None or at < job.done_at):
                return True
        return False

    def under_way(self, at: float) -> bool:
        """Whether they drive to a job at a moment."""
        for job in self.jobs:
            if job.on_the_way_at is not None and job.on_the_way_at <= at:
                ends = (job.arrived_at, job.done_at)
                if all(end is None or at < end for end in ends):
                    return True
        return False


#: One whom nothing is known of.
NOT_PLANNED = AtWork(None, [])
