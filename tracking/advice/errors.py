"""Questions that have no answer."""

from __future__ import annotations

from dispatch.models import Job


class JobNotOpenError(Exception):
    """Nobody is expected at the job any more."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"job {job.pk} is {job.status}; nobody is to arrive there")


class NobodyAssignedError(Exception):
    """No technician in service has the job."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"job {job.pk} has no technician in service")
