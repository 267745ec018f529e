"""Reads of positions that more than one door needs."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta

import msgspec
from django.db.models import Q, QuerySet

from cable import State
from dispatch.models import Job, User
from dispatch.queries import active_technicians, visible_technicians
from tracking.freshness import Thresholds, position_state
from tracking.messages import (
    PositionBody,
    TechnicianOnMap,
    TechnicianPosition,
    TechniciansOnMap,
    map_key,
    map_state,
)
from tracking.models import Correction, Fix, Policy, Position, Statement, Viewing, Visit
from tracking.queries.journeys import Journey, journey_to
from tracking.viewport import Viewport
from tracking.visits import Effective, effective_visit

POSITION_FIELDS = PositionBody.__struct_fields__
# Tells the maps that are open what changed in the company's policy.
POLICY_STREAM = "map.policy"


class FixesAfter(msgspec.Struct, frozen=True):
    """Where a page of history begins: after this moment and id, which order it."""

    recorded_at: datetime
    id: uuid.UUID


def policy() -> Policy:
    """How the company tracks: what it chose, or the defaults."""
    return Policy.objects.filter(id=1).first() or Policy(id=1)


def thresholds_of(policy: Policy) -> Thresholds:
    """The ages at which a position changes its state."""
    return Thresholds(
        delayed=policy.delayed_seconds, stale=policy.stale_seconds, lost=policy.lost_seconds
    )


def visible_positions(user: User, *, now: datetime) -> list[TechnicianPosition]:
    """The latest position of each technician whom the user may see, with its age at `now`."""
    thresholds = thresholds_of(policy())
    rows = Position.objects.filter(technician__in=visible_technicians(user))
    positions = []
    for row in rows.order_by("technician_id").values("technician_id", *POSITION_FIELDS):
        # In whole seconds, as the page counts them.
        age = max(0, (now - row["recorded_at"]) // timedelta(seconds=1))
        positions.append(
            TechnicianPosition(**row, age_seconds=age, state=position_state(age, thresholds))
        )
    return positions


def technicians_on_map() -> TechniciansOnMap:
    """Every technician in service, by name."""
    return TechniciansOnMap(
        thresholds=thresholds_of(policy()),
        technicians=[
            TechnicianOnMap(
                id=technician.pk,
                name=technician.name,
                initials=technician.initials,
                color=technician.color,
            )
            for technician in active_technicians()
        ],
    )


def live_positions() -> dict[str, State]:
    """The latest position of each technician in service, as the map's stream keeps it."""
    rows = Position.objects.filter(technician__in=active_technicians())
    return {
        map_key(row.pop("technician_id")): map_state(PositionBody(**row))
        for row in rows.values("technician_id", *POSITION_FIELDS)
    }


def technicians_seen(parts: Collection[Viewport | None]) -> list[int]:
    """Who is in one of these parts of the map now; None is the whole map."""
    rows = Position.objects.filter(technician__in=active_technicians())
    return [
        row["technician_id"]
        for row in rows.order_by("technician_id").values("technician_id", "lat", "lon")
        if any(part is None or part(row) for part in parts)
    ]


class JobVisits(msgspec.Struct, frozen=True):
    """All that is known of when somebody was at a job's site."""

    visits: list[Visit]
    statements: list[Statement]
    corrections: list[Correction]
    effective: Effective
    #: The way to it, and the time there, seconds; None while there.
    journey: Journey
    on_site_seconds: float | None
    proposal: Proposal | None


class Proposal(msgspec.Struct, frozen=True):
    """What the fixes make likely of a job, for its technician to confirm."""

    status: str
    at: datetime


def visits_of(job: Job) -> JobVisits:
    """Visits, statements and corrections of a job in order of time, and what counts of them.

    What counts is of the job's present technician. An arrival is proposed while the job waits for
    one, unless the technician says that nobody was there.
    """
    visits = list(Visit.objects.filter(job=job).order_by("arrived_at", "technician_id"))
    statements = list(
        Statement.objects.filter(job=job).select_related("stated_by").order_by("stated_at", "id")
    )
    at_site = [
        visit for visit in visits if visit.technician_id == job.technician_id and not visit.crossing
    ]
    said = [each for each in statements if each.technician_id == job.technician_id]
    effective = effective_visit(at_site, said[-1] if said else None, told_arrival=job.arrived_at)
    awaited = job.status in (Job.Status.ASSIGNED, Job.Status.ON_THE_WAY)
    return JobVisits(
        visits=visits,
        statements=statements,
        corrections=list(Correction.objects.filter(job=job).order_by("corrected_at", "id")),
        effective=effective,
        journey=journey_to(
            job=job.pk, technician=job.technician_id, arrived_at=effective.arrived_at
        )
        if job.technician_id is not None and effective.arrived_at is not None
        else Journey(),
        on_site_seconds=(effective.left_at - effective.arrived_at).total_seconds()
        if effective.arrived_at is not None and effective.left_at is not None
        else None,
        proposal=Proposal(Job.Status.ARRIVED.value, effective.arrived_at)
        if awaited and at_site and effective.arrived_at
        else None,
    )


def visible_viewings(user: User) -> QuerySet[Viewing]:
    """Viewings, the latest to begin first: of themselves for technicians, by themselves for
    dispatchers, all for owners."""
    rows = Viewing.objects.select_related("viewer").order_by("-id")
    if user.role == User.Role.OWNER:
        return rows
    if user.may_dispatch:
        return rows.filter(viewer=user)
    return rows.filter(technician__user=user)


def fixes_of(
    *,
    technician: int,
    since: datetime | None,
    until: datetime | None,
    after: FixesAfter | None,
) -> QuerySet[Fix]:
    """One technician's fixes with since ≤ recorded_at < until, in the order of the phone's clock.

    `after` continues behind the last fix of a page; fixes of equal time are ordered by id.
    """
    rows = Fix.objects.filter(technician_id=technician).order_by("recorded_at", "id")
    if since:
        rows = rows.filter(recorded_at__gte=since)
    if until:
        rows = rows.filter(recorded_at__lt=until)
    if after:
        rows = rows.filter(
            Q(recorded_at__gt=after.recorded_at) | Q(recorded_at=after.recorded_at, id__gt=after.id)
        )
    return rows
