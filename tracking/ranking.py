"""Who is best sent to a job, and why: pure, from what is known of each technician.

Every factor is told in whole seconds of cost, and the factors sum to the score: the least is best.
A factor may also block: then its technician cannot be sent, whatever the score, and stands behind
all who can. A technician's place among others depends on nothing that is known of a third.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from tracking.eta import Estimate, Place, Sighting
from tracking.freshness import PositionState

# A minute that a customer waits beyond the promised window costs as much as three of driving.
LATE_WEIGHT = 3

_BLOCKING = {
    PositionState.STALE: "stale_position",
    PositionState.LOST: "lost_position",
    PositionState.NONE: "no_position",
}


class Current(msgspec.Struct, frozen=True):
    """The job that somebody is at, or drives to."""

    id: int
    place: Place
    arrived_at: datetime | None


class Promise(msgspec.Struct, frozen=True):
    """A job that somebody was given, until when its customer expects them."""

    id: int
    place: Place
    ends_at: datetime


class Seen(msgspec.Struct, frozen=True):
    place: Place
    sighting: Sighting


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a technician. No `skills`: all. `shifts` None: always on shift."""

    id: int
    name: str
    skills: frozenset[str]
    shifts: tuple[tuple[datetime, datetime], ...] | None
    seen: Seen | None
    current: Current | None
    next: Promise | None

    def is_on_shift(self, moment: datetime) -> bool:
        return self.shifts is None or any(start <= moment < end for start, end in self.shifts)


class Target(msgspec.Struct, frozen=True):
    """The job: what it asks for, where, and the promised window."""

    kind: str
    place: Place
    starts_at: datetime
    ends_at: datetime


class Option(msgspec.Struct, frozen=True):
    """A candidate's way to the job: free in so many seconds, then driving; None: not known.

    `onward_seconds` is the drive from the job to the candidate's next one, if any.
    """

    candidate: Candidate
    free_in_seconds: int
    eta: Estimate | None
    onward_seconds: int | None


class Factor(msgspec.Struct, frozen=True):
    """`seconds` is what it adds to the score; `measure` the seconds that it is made from."""

    name: str
    seconds: int
    measure: int | None = None
    blocks: str | None = None


class Ranked(msgspec.Struct, frozen=True, kw_only=True):
    """`rank` from 1, None for who cannot be sent; `score` None where the drive is not known."""

    option: Option
    rank: int | None
    score: int | None
    factors: list[Factor]
    arrives_at: datetime | None

    @property
    def blocks(self) -> list[str]:
        """Why this one cannot be sent."""
        return [factor.blocks for factor in self.factors if factor.blocks]


def rank(
    target: Target, options: Iterable[Option], *, now: datetime, work: timedelta
) -> list[Ranked]:
    """All options: who can be sent from the best on, then the others; equals by id.

    `work` is how long a job takes at the customer's.
    """
    judged = [_judge(target, option, now, work) for option in options]
    judged.sort(key=_order)
    return [
        one if one.blocks else msgspec.structs.replace(one, rank=number)
        for number, one in enumerate(judged, 1)
    ]


def _order(one: Ranked) -> tuple[bool, bool, int, int]:
    return bool(one.blocks), one.score is None, one.score or 0, one.option.candidate.id


def _judge(target: Target, option: Option, now: datetime, work: timedelta) -> Ranked:
    candidate, eta = option.candidate, option.eta
    lacks = candidate.skills and target.kind not in candidate.skills
    factors = [
        Factor("skill", 0, blocks="lacks_skill" if lacks else None),
        _freshness(candidate),
    ]
    if eta is None:
        off = None if candidate.is_on_shift(now) else "off_shift"
        factors.append(Factor("shift", 0, blocks=off))
        return Ranked(option=option, rank=None, score=None, factors=factors, arrives_at=None)
    arrival = now + timedelta(seconds=option.free_in_seconds + eta.seconds)
    begin = max(arrival, target.starts_at)
    late = _seconds_after(arrival, target.ends_at)
    next_late = 0
    if candidate.next and option.onward_seconds is not None:
        onward = begin + work + timedelta(seconds=option.onward_seconds)
        next_late = _seconds_after(onward, candidate.next.ends_at)
    no_route = "no_route" if "no_route" in eta.warnings else None
    factors += [
        _shift(candidate, now, begin),
        Factor("travel", eta.seconds, eta.seconds, no_route),
        Factor("current_job", option.free_in_seconds, option.free_in_seconds),
        Factor("late", late * LATE_WEIGHT, late),
        Factor("next_job_late", next_late * LATE_WEIGHT, next_late),
    ]
    score = sum(factor.seconds for factor in factors)
    return Ranked(option=option, rank=None, score=score, factors=factors, arrives_at=arrival)


def _freshness(candidate: Candidate) -> Factor:
    """A delayed position costs its age: so much further away its technician may be."""
    if candidate.seen is None:
        return Factor("position", 0, blocks="no_position")
    sighting = candidate.seen.sighting
    age = round(sighting.age_seconds)
    cost = 0 if sighting.state is PositionState.LIVE else age
    return Factor("position", cost, age, _BLOCKING.get(sighting.state))


def _shift(candidate: Candidate, now: datetime, begin: datetime) -> Factor:
    if not candidate.is_on_shift(now):
        return Factor("shift", 0, blocks="off_shift")
    return Factor(
        "shift", 0, blocks=None if candidate.is_on_shift(begin) else "off_shift_at_arrival"
    )


def _seconds_after(moment: datetime, promised: datetime) -> int:
    return max(0, round((moment - promised).total_seconds()))
