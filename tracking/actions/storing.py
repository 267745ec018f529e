"""Storing one company's fixes, and all that follows from them, in the present transaction."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec
from django.conf import settings
from django.db.backends.utils import CursorWrapper

from cable import State
from dispatch.queries import at_work
from dispatch.work_hours import NOT_PLANNED, AtWork
from tenants.context import quoted_schema
from tracking.actions.following import Followed, follow, to_sites, to_thresholds
from tracking.actions.opening import Opened, add_tracks, open_tracks
from tracking.actions.outcomes import (
    KNOWN,
    OFF_SHIFT,
    STORED,
    TOO_OLD,
    Outcome,
    Profile,
    Recorded,
)
from tracking.actions.telling import write_checkpoints, write_events, write_reasons
from tracking.engine import Arrived, Departed, Reason
from tracking.fixes import FixForm
from tracking.messages import PositionBody, map_key, map_state
from tracking.models import Policy

MAP_STREAM = "map"

# Column and PostgreSQL type.
_COLUMNS: dict[str, str] = {
    "id": "uuid",
    "recorded_at": "timestamptz",
    "lat": "float8",
    "lon": "float8",
    "accuracy": "float8",
    "speed": "float8",
    "heading": "float8",
    "altitude": "float8",
    "battery": "float8",
    "charging": "boolean",
    "activity": "text",
    "mock": "boolean",
}
_NAMES = ", ".join(_COLUMNS)
_ARRAYS = ", ".join(f"%s::{kind}[]" for kind in _COLUMNS.values())
_PLACED = ", ".join(name for name in _COLUMNS if name != "id")
_PLACED_NEW = ", ".join(f"new.{name}" for name in _COLUMNS if name != "id")
_PLACED_UPDATES = ", ".join(
    f"{name} = EXCLUDED.{name}" for name in ("received_at", *_COLUMNS) if name != "id"
)

# One round trip for a batch of any size and of any number of technicians. Rows are taken in the
# order of their keys, so that two batches never wait for each other in a circle. A fix that
# another transaction is storing at this moment makes it wait for that one's commit, so
# "duplicate" means "is stored". A marker never moves back: an older fix changes nothing.
_STORE = f"""
WITH new AS (
    SELECT * FROM unnest(%s::int8[], %s::text[], %s::boolean[], {_ARRAYS})
        AS new (technician_id, reason, is_late, {_NAMES})
), stored AS (
    INSERT INTO {{schema}}.tracking_fix (technician_id, reason, received_at, {_NAMES})
    SELECT technician_id, reason, %s, {_NAMES} FROM new ORDER BY technician_id, id
    ON CONFLICT DO NOTHING
    RETURNING technician_id, id
), late AS (
    INSERT INTO {{schema}}.tracking_recount (technician_id, since, cause)
    SELECT technician_id, min(recorded_at), 'late' FROM new JOIN stored USING (technician_id, id)
    WHERE is_late GROUP BY technician_id
    RETURNING technician_id
), followed AS (
    SELECT * FROM unnest(%s::int8[], %s::bytea[], %s::float8[], %s::uuid[])
        AS followed (technician_id, state, lag, newest)
), tracked AS (
    UPDATE {{schema}}.tracking_track AS track
    SET state = coalesce(followed.state, track.state), lag = followed.lag
    FROM followed WHERE track.technician_id = followed.technician_id
), moved AS (
    INSERT INTO {{schema}}.tracking_position AS held (technician_id, received_at, {_PLACED})
    SELECT followed.technician_id, %s, {_PLACED_NEW}
    FROM followed JOIN new ON new.technician_id = followed.technician_id AND new.id = newest
    ORDER BY followed.technician_id
    ON CONFLICT (technician_id) DO UPDATE SET {_PLACED_UPDATES}
    WHERE held.recorded_at < EXCLUDED.recorded_at
    RETURNING technician_id
)
SELECT 'known', new.technician_id, new.id FROM new LEFT JOIN stored USING (technician_id, id)
WHERE stored.id IS NULL
UNION ALL SELECT 'late', technician_id, NULL FROM late
UNION ALL SELECT 'moved', technician_id, NULL FROM moved
"""  # noqa: S608  names are constants of this module


class Reading(msgspec.Struct, frozen=True):
    """What one phone sent at once, and whose it is."""

    technician_id: int
    fixes: Sequence[FixForm]


class Stored(msgspec.Struct):
    """What became of readings, in order; the map's keys that changed; technicians whose tracks
    are to be worked through again; and what to propose to technicians about their jobs."""

    recorded: list[Recorded]
    changes: dict[str, State]
    late: list[int]
    visits: list[tuple[int, Arrived | Departed]]


class _Technician:
    """One technician's part of a batch. Of fixes with the same id the first counts."""

    def __init__(self, work: AtWork) -> None:
        self.work = work
        self.fixes: dict[uuid.UUID, FixForm] = {}
        self.refused: dict[uuid.UUID, Outcome] = {}
        self.followed = Followed({}, set())
        self.known: set[uuid.UUID] = set()

    def add(self, fix: FixForm, policy: Policy, earliest: datetime) -> None:
        if fix.id in self.fixes or fix.id in self.refused:
            return
        if fix.recorded_at < earliest:
            self.refused[fix.id] = TOO_OLD
        elif not _wants(policy, self.work, fix.recorded_at.timestamp()):
            self.refused[fix.id] = OFF_SHIFT
        else:
            self.fixes[fix.id] = fix

    def outcome(self, fix: FixForm) -> Outcome:
        """The outcome of the first fix with its id; further ones are known then."""
        if fix.id in self.refused:
            return self.refused[fix.id]
        if fix.id in self.known:
            return KNOWN
        self.known.add(fix.id)
        reason = self.followed.reasons[fix.id]
        return STORED if reason is None else Outcome("stored", reason)


def store_readings(
    cursor: CursorWrapper, schema: str, readings: Sequence[Reading], *, received_at: datetime
) -> Stored:
    """Store readings of one company, follow its technicians, and move its markers.

    Idempotent on (technician, fix id), and on (technician, moment, place). Locks the tracks of
    these technicians; of those that somebody else has locked, fixes are stored and followed later.

    Raises:
        NoCompanyError: `schema` is empty or `public`.
        IntegrityError: there is no such technician.
    """
    now = received_at.timestamp()
    numbers = sorted({reading.technician_id for reading in readings})
    moments = [fix.recorded_at for reading in readings for fix in reading.fixes]
    work = at_work(
        cursor,
        schema,
        numbers,
        since=min([*moments, received_at]),
        until=max([*moments, received_at]),
    )
    sending = sorted({reading.technician_id for reading in readings if reading.fixes})
    policy, tracks = open_tracks(cursor, schema, sending)
    technicians = {number: _Technician(work.get(number, NOT_PLANNED)) for number in numbers}
    earliest = received_at - timedelta(days=policy.retention_days)
    for reading in readings:
        technician = technicians[reading.technician_id]
        for fix in reading.fixes:
            technician.add(fix, policy, earliest)
    missing = [n for n, each in technicians.items() if each.fixes and n not in tracks]
    tracks |= add_tracks(cursor, schema, missing)
    changes, late = _write(cursor, schema, technicians, tracks, policy, received_at)
    return Stored(
        [
            Recorded(
                [technicians[reading.technician_id].outcome(fix) for fix in reading.fixes],
                profile_at(policy, technicians[reading.technician_id].work, now),
            )
            for reading in readings
        ],
        changes,
        late,
        [
            (number, event)
            for number, technician in technicians.items()
            for event in technician.followed.events
            if isinstance(event, Arrived | Departed)
        ],
    )


def profile_at(policy: Policy, work: AtWork, now: float) -> Profile:
    """How a phone should track at a moment, seconds of UNIX time."""
    if not _wants(policy, work, now):
        return "off"
    return "fine" if work.under_way(now) else "coarse"


def _wants(policy: Policy, work: AtWork, at: float) -> bool:
    """Whether the company wants a technician's fix of a moment, seconds of UNIX time."""
    if policy.accept == Policy.Accept.ALWAYS:
        return True
    if policy.accept == Policy.Accept.ON_SHIFT and work.on_shift(at):
        return True
    return work.on_trip(at)


def _write(
    cursor: CursorWrapper,
    schema: str,
    technicians: Mapping[int, _Technician],
    tracks: Mapping[int, Opened],
    policy: Policy,
    received_at: datetime,
) -> tuple[dict[str, State], list[int]]:
    """The map's keys that changed, and who is to be worked through again."""
    thresholds = to_thresholds(policy)
    near = timedelta(hours=settings.JOB_NEAR_HOURS)
    latest = received_at + timedelta(seconds=settings.FIX_LIVE_AHEAD_SECONDS)
    numbers: list[int] = []
    reasons: list[Reason | None] = []
    is_late: list[bool] = []
    fixes: list[FixForm] = []
    follows: list[tuple[int, bytes | None, float | None, uuid.UUID | None]] = []
    for number, technician in technicians.items():
        if not technician.fixes:
            continue
        followed = technician.followed = follow(
            tracks.get(number),
            technician.fixes,
            thresholds=thresholds,
            sites=to_sites(technician.work, radius=policy.site_radius, near=near),
            latest=latest,
            between_checkpoints=settings.FIXES_BETWEEN_CHECKPOINTS,
        )
        for id_, fix in technician.fixes.items():
            numbers.append(number)
            fixes.append(fix)
            reasons.append(followed.reasons[id_])
            is_late.append(id_ in followed.late)
        if number in tracks:
            newest = followed.newest
            lag = _lag(tracks[number].lag, technician.fixes.values(), received_at)
            follows.append((number, followed.state, lag, None if newest is None else newest.id))
    if not fixes:
        return {}, []
    columns = [[_column(fix, name) for fix in fixes] for name in _COLUMNS]
    followed_columns = [list(column) for column in zip(*follows, strict=True)] or [[], [], [], []]
    cursor.execute(
        _statement(schema),
        [numbers, reasons, is_late, *columns, received_at, *followed_columns, received_at],
    )
    changes: dict[str, State] = {}
    late: list[int] = []
    for what, number, id_ in cursor.fetchall():
        technician = technicians[number]
        if what == "known":
            technician.known.add(id_)
        elif what == "late":
            late.append(number)
        elif technician.followed.newest is not None:
            position = _position(technician.followed.newest, received_at)
            changes[map_key(number)] = map_state(position)
    _write_rare(cursor, schema, technicians)
    return changes, late


def _write_rare(cursor: CursorWrapper, schema: str, technicians: Mapping[int, _Technician]) -> None:
    """What most uploads have nothing of."""
    checkpoints: list[tuple[int, datetime, bytes]] = []
    for number, technician in technicians.items():
        followed = technician.followed
        if followed.events:
            write_events(cursor, schema, number, followed.events)
        if followed.earlier:
            write_reasons(cursor, schema, number, followed.earlier)
        if followed.checkpoint_at is not None and followed.state is not None:
            checkpoints.append((number, followed.checkpoint_at, followed.state))
    write_checkpoints(cursor, schema, checkpoints)


def _lag(before: float | None, fixes: Iterable[FixForm], received_at: datetime) -> float:
    """The least time of late from the phone's clock to ours, seconds.

    A phone that was offline sends old fixes, so one that came late says nothing; after a clock was
    set, what was known fades.
    """
    newest = max(fix.recorded_at for fix in fixes)
    lag = (received_at - newest).total_seconds()
    if before is None or lag < before:
        return lag
    return before + (lag - before) * settings.CLOCK_LAG_FADES


@lru_cache(maxsize=5_000)
def _statement(schema: str) -> str:
    return _STORE.replace("{schema}", quoted_schema(schema))


def _position(fix: FixForm, received_at: datetime) -> PositionBody:
    known = {
        name: _column(fix, name) for name in _COLUMNS if name in PositionBody.__struct_fields__
    }
    return PositionBody(received_at=received_at, **known)


def _column(fix: FixForm, name: str) -> Any:
    value = getattr(fix, name)
    return 0.0 if name == "heading" and value == 360 else value
