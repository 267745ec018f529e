"""Reads what is known of technicians, in as many queries for one as for thousands."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from dispatch.models import Job, Shift, Technician
from tracking.eta import Place, Sighting
from tracking.freshness import position_age, position_state
from tracking.models import Position
from tracking.queries import policy, thresholds_of
from tracking.ranking import Candidate, Current, Promise, Seen

# Shifts and promises that begin later than this after the job have no part in it.
_HORIZON = timedelta(hours=24)


def read_candidates(
    technicians: QuerySet[Technician], *, now: datetime, job: Job | None = None
) -> list[Candidate]:
    """The technicians by id, as they stand for `job`, or in general: five queries.

    Those beyond ADVICE_MAX_TECHNICIANS are left out.
    """
    until = max(now, job.starts_at if job else now) + _HORIZON
    rows = list(
        technicians.annotate(has_shifts=Exists(Shift.objects.filter(technician=OuterRef("pk"))))
        .order_by("id")
        .values_list("id", "name", "skills", "has_shifts")[: settings.ADVICE_MAX_TECHNICIANS]
    )
    shifts: dict[int, list[tuple[datetime, datetime]]] = defaultdict(list)
    for technician, start, end in Shift.objects.filter(
        technician__in=technicians, ends_at__gt=now, starts_at__lte=until
    ).values_list("technician_id", "starts_at", "ends_at"):
        shifts[technician].append((start, end))
    seen = _read_sightings(technicians, now)
    current, promises = _read_jobs(technicians, job, now, until)
    return [
        Candidate(
            id=number,
            name=name,
            skills=frozenset(skills),
            shifts=tuple(shifts[number]) if has_shifts else None,
            seen=seen.get(number),
            current=current.get(number),
            next=promises.get(number),
        )
        for number, name, skills, has_shifts in rows
    ]


def _read_sightings(technicians: QuerySet[Technician], now: datetime) -> dict[int, Seen]:
    thresholds = thresholds_of(policy())
    seen = {}
    for number, lat, lon, accuracy, recorded_at in Position.objects.filter(
        technician__in=technicians
    ).values_list("technician_id", "lat", "lon", "accuracy", "recorded_at"):
        age = position_age(recorded_at, now)
        sighting = Sighting(age, position_state(age, thresholds), accuracy)
        seen[number] = Seen(Place(lat, lon), sighting)
    return seen


def _read_jobs(
    technicians: QuerySet[Technician], job: Job | None, now: datetime, until: datetime
) -> tuple[dict[int, Current], dict[int, Promise]]:
    """What each is at or drives to, and the first of what each was given besides."""
    current: dict[int, Current] = {}
    promises: dict[int, Promise] = {}
    under_way = Q(status__in=[Job.Status.ARRIVED, Job.Status.ON_THE_WAY])
    given = Q(status=Job.Status.ASSIGNED, ends_at__gt=now, starts_at__lte=until)
    jobs = Job.objects.filter(under_way | given, technician__in=technicians)
    if job is not None:
        jobs = jobs.exclude(pk=job.pk)
    for number, technician, status, lat, lon, ends_at, arrived_at in jobs.order_by(
        "starts_at", "id"
    ).values_list("id", "technician_id", "status", "lat", "lon", "ends_at", "arrived_at"):
        place = Place(lat, lon)
        if status == Job.Status.ASSIGNED:
            promises.setdefault(technician, Promise(number, place, ends_at))
        elif technician not in current or status == Job.Status.ARRIVED:
            # Where one is comes before where one says to drive to.
            since = (arrived_at or now) if status == Job.Status.ARRIVED else None
            current[technician] = Current(number, place, since)
    return current, promises
