"""Following one technician through new fixes."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from dispatch.at_work import AtWork
from tracking.actions.opening import Opened
from tracking.engine import (
    SECOND,
    UNKNOWN_ACCURACY,
    Engine,
    Event,
    Point,
    Reason,
    Site,
    Thresholds,
    decode_state,
    encode_state,
    judge_alone,
)
from tracking.fixes import FixForm
from tracking.models import Policy

logger = logging.getLogger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Followed(msgspec.Struct):
    """What new fixes of one technician tell.

    `reasons` has a verdict for each of them; `earlier` for fixes that were stored before. `late`
    are those that come before what was followed already. `state` None: as before.
    """

    reasons: dict[UUID, Reason | None]
    late: set[UUID]
    earlier: dict[UUID, Reason | None] = {}
    newest: FixForm | None = None
    state: bytes | None = None
    checkpoint_at: datetime | None = None
    events: list[Event] = []


def follow(
    track: Opened | None,
    fixes: Mapping[UUID, FixForm],
    *,
    thresholds: Thresholds,
    sites: list[Site],
    latest: datetime,
    between_checkpoints: int,
) -> Followed:
    """Follow a track through fixes that came together, by their ids.

    A track of None is held by somebody else, who has to be told of them: all are late. `latest` is
    the moment after which a phone's clock is wrong.
    """
    points = sorted(to_point(fix, latest) for fix in fixes.values())
    if track is not None:
        try:
            return _follow(track, points, fixes, thresholds, sites, between_checkpoints)
        except Exception:
            # Whatever is wrong with the track, the phone must get rid of its fixes.
            logger.exception("a track cannot be followed; its fixes are stored all the same")
    reasons = {point.id: judge_alone(point, thresholds) for point in points}
    return Followed(reasons, {id_ for id_, reason in reasons.items() if has_order(reason)})


def _follow(
    track: Opened,
    points: Iterable[Point],
    fixes: Mapping[UUID, FixForm],
    thresholds: Thresholds,
    sites: list[Site],
    between_checkpoints: int,
) -> Followed:
    engine = Engine(decode_state(track.state), thresholds, sites)
    reasons: dict[UUID, Reason | None] = {}
    late: set[UUID] = set()
    for point in points:
        if engine.is_next(point):
            engine.take(point)
        else:
            reasons[point.id] = reason = judge_alone(point, thresholds)
            if has_order(reason):
                late.add(point.id)
    found = Followed(reasons, late, events=engine.events)
    newest = 0
    for at, id_, reason in engine.judged:
        fix = fixes.get(id_)
        if fix is None or id_ in late:
            found.earlier[id_] = reason
            continue
        reasons[id_] = reason
        if reason is None and at >= newest:
            newest, found.newest = at, fix
    if engine.judged:
        state = engine.state
        if state.since_checkpoint >= between_checkpoints:
            state.since_checkpoint = 0
            found.checkpoint_at = from_engine_time(state.last_at)
        found.state = encode_state(state)
    return found


def to_point(fix: FixForm, latest: datetime) -> Point:
    """A fix as the engine takes it."""
    return Point(
        to_engine_time(fix.recorded_at),
        fix.id,
        fix.lat,
        fix.lon,
        UNKNOWN_ACCURACY if fix.accuracy is None else fix.accuracy,
        fix.mock is True,
        fix.recorded_at > latest,
    )


def to_thresholds(policy: Policy) -> Thresholds:
    """What the engine needs to know of a company's policy."""
    return Thresholds(
        max_accuracy=policy.max_accuracy,
        max_speed=policy.max_speed,
        flag_mock=policy.flag_mock,
        stop_radius=policy.stop_radius,
        stop_seconds=policy.stop_seconds,
    )


def to_engine_time(moment: datetime) -> int:
    """Microseconds of UNIX time."""
    # A float holds them exactly until the year 2255.
    return round(moment.timestamp() * SECOND)


def from_engine_time(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at)


def to_sites(work: AtWork, *, radius: float, near: timedelta) -> list[Site]:
    """The sites of somebody's jobs; each counts `near` its window."""
    margin = near.total_seconds()
    return [
        Site(
            job.id,
            job.lat,
            job.lon,
            radius,
            int((job.starts_at - margin) * SECOND),
            int((job.ends_at + margin) * SECOND),
        )
        for job in work.jobs
    ]


def has_order(reason: Reason | None) -> bool:
    """Whether what comes of other fixes may depend on one with this verdict."""
    return reason not in ("future", "mock")
