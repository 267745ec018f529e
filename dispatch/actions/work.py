"""Adding work."""

from __future__ import annotations

from datetime import datetime

from dispatch.models import Customer, Job, Technician


def create_job(
    *,
    title: str,
    kind: str,
    customer: Customer,
    starts_at: datetime,
    ends_at: datetime,
    technician: Technician | None = None,
) -> Job:
    """Create a job at the customer's address, given to `technician` if there is one.

    Raises:
        ValidationError: a field is wrong, or the window has no length.
    """
    job = Job(
        title=title,
        kind=kind,
        status=Job.Status.ASSIGNED if technician else Job.Status.UNASSIGNED,
        customer=customer,
        technician=technician,
        address=customer.address,
        lat=customer.lat,
        lon=customer.lon,
        starts_at=starts_at,
        ends_at=ends_at,
    )
    job.full_clean()
    job.save()
    return job
