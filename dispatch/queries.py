"""Reads of people and work that more than one door needs."""

from __future__ import annotations

from django.db.models import QuerySet

from dispatch.models import Job, Technician, User


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


def visible_jobs(user: User) -> QuerySet[Job]:
    """Jobs that the user may see, in the order of their windows."""
    jobs = Job.objects.select_related("customer", "technician")
    return jobs if user.may_dispatch else jobs.filter(technician__user=user)
