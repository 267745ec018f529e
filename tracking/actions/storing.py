"""Storing one company's fixes, and all that follows from them, in the present transaction."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import compress
from typing import Any, Self

import msgspec
import psycopg
from django.conf import settings
from django.db import connection
from django.db.backends.utils import CursorWrapper

from cable import State
from dispatch.at_work import NOT_PLANNED, AtWork
from dispatch.phones_at_work import (
    ask_at_work,
    ask_signed_in_phones,
    read_at_work,
    read_signed_in_phones,
)
from tracking.actions.following import Followed, follow, has_order, to_sites, to_thresholds
from tracking.actions.opening import Opened, add_tracks, ask_tracks, read_tracks
from tracking.actions.outcomes import (
    KNOWN,
    OFF_SHIFT,
    STORED,
    TOO_OLD,
    Outcome,
    Profile,
    Recorded,
)
from tracking.actions.statement import NewFix, NewState, read_stored, send_store
from tracking.actions.telling import write_checkpoints, write_events, write_reasons
from tracking.engine import Arrived, Departed
from tracking.fixes import FixForm
from tracking.messages import PositionBody, map_key, map_state
from tracking.models import Policy

MAP_STREAM = "map"


@contextmanager
def sending_together() -> Iterator[Callable[[], Any]]:
    """Statements that do not wait for each other: each by a cursor of its own, which the context
    gives, and whose rows can be read after it.

    Waiting for an answer costs more than most of these statements, the more so in a process whose
    other threads are busy; and so does planning them, which is done once.
    """
    driver = connection.connection
    with connection.wrap_database_errors, driver.pipeline():
        yield lambda: _PlannedOnce(driver)


def store_parts(parts: Sequence[CompanyPart], *, lock_seconds: float | None = None) -> list[Stored]:
    """Take companies' parts of the present transaction through all steps; what became of each.

    What is locked is waited for `lock_seconds` at most, None: for as long as the database does.
    Raises as `CompanyPart`.
    """
    with connection.cursor() as cursor:
        with sending_together() as new_cursor:
            if lock_seconds is not None:
                new_cursor().execute(
                    "SELECT set_config('lock_timeout', %s, true)", [f"{lock_seconds}s"]
                )
            for part in parts:
                part.ask(new_cursor)
        for part in parts:
            part.follow(cursor)
        with sending_together() as new_cursor:
            for part in parts:
                part.store(new_cursor)
        return [part.finish(cursor) for part in parts]


class _PlannedOnce(psycopg.Cursor[Any]):
    """Its statements are prepared by the server; the driver bounds how many of a connection are."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
        return super().execute(query, params, prepare=True, **options)


class Reading(msgspec.Struct, frozen=True):
    """What one phone sent at once, and whose it is. `session` is the phone's sign-in, which is to
    be good; None: that is known."""

    technician_id: int
    fixes: Sequence[FixForm]
    session: uuid.UUID | None = None


class Stored(msgspec.Struct):
    """What became of readings, in order; the map's keys that changed; technicians whose tracks
    are to be worked through again; and what to propose to technicians about their jobs.

    Of a phone that is not signed in nothing was stored, and `recorded` has None.
    """

    recorded: list[Recorded | None]
    changes: dict[str, State]
    late: list[int]
    visits: list[tuple[int, Arrived | Departed]]


class CompanyPart:
    """One company's part of a transaction, in four steps, which `store_parts` takes: each together
    for several companies, whose order is the same in all processes.

    Idempotent on (technician, fix id), and on (technician, moment, place). Locks the tracks of
    these technicians; of those that somebody else has locked, fixes are stored and followed later.

    Raises, at any step:
        NoCompanyError: `schema` is empty or `public`.
        DatabaseError: it cannot be stored.
    """

    def __init__(self, schema: str, readings: Sequence[Reading], *, received_at: datetime) -> None:
        self._schema, self._readings, self._received_at = schema, readings, received_at
        # Whether each one's phone is signed in.
        self._good: list[bool] = []
        self._policy = Policy()
        self._technicians: dict[int, _Technician] = {}
        # Cursors of statements that were sent.
        self._phones: Any = None
        self._work: Any = None
        self._tracks: Any = None
        self._store: Any = None

    def ask(self, cursor: Callable[[], Any]) -> None:
        """Send what is to be known first."""
        readings = self._readings
        sessions = {each.session for each in readings if each.session is not None}
        if sessions:
            self._phones = cursor()
            ask_signed_in_phones(self._phones, self._schema, sessions)
        now = self._received_at
        # Of each technician for themselves: how much is asked for is bounded.
        spans: dict[int, tuple[datetime, datetime]] = {}
        for reading in readings:
            since, until = spans.get(reading.technician_id, (now, now))
            moments = [fix.recorded_at for fix in reading.fixes]
            span = min(moments, default=now), max(moments, default=now)
            spans[reading.technician_id] = min(since, span[0]), max(until, span[1])
        self._work = cursor()
        ask_at_work(self._work, self._schema, spans)
        self._tracks = cursor()
        sending = {reading.technician_id for reading in readings if reading.fixes}
        ask_tracks(self._tracks, self._schema, sorted(sending))

    def follow(self, cursor: CursorWrapper) -> None:
        """Work out what the new fixes mean."""
        known = read_signed_in_phones(self._phones) if self._phones is not None else set()
        self._good = [
            reading.session is None or (reading.session, reading.technician_id) in known
            for reading in self._readings
        ]
        work = read_at_work(self._work)
        self._policy, tracks = read_tracks(self._tracks)
        earliest = self._received_at - timedelta(days=self._policy.retention_days)
        for reading in compress(self._readings, self._good):
            number = reading.technician_id
            technician = self._technicians.get(number)
            if technician is None:
                technician = _Technician(work.get(number, NOT_PLANNED))
                self._technicians[number] = technician
            for fix in reading.fixes:
                technician.add(fix, self._policy, earliest, self._received_at)
        sending = {n: each for n, each in sorted(self._technicians.items()) if each.fixes}
        tracks |= add_tracks(cursor, self._schema, [n for n in sending if n not in tracks])
        for number, technician in sending.items():
            technician.follow(tracks.get(number), self._policy, self._received_at)

    def store(self, cursor: Callable[[], Any]) -> None:
        """Send what is to be stored."""
        sending = {number: each for number, each in self._technicians.items() if each.fixes}
        if not sending:
            return
        self._store = cursor()
        send_store(
            self._store,
            self._schema,
            [new for number, each in sending.items() for new in each.new_fixes(number)],
            [
                NewState(number, each.followed.state, each.lag, each.newest_id)
                for number, each in sending.items()
                if each.is_held
            ],
            received_at=self._received_at,
        )

    def finish(self, cursor: CursorWrapper) -> Stored:
        """Write down what most uploads have nothing of; what became of all."""
        changes: dict[str, State] = {}
        late: list[int] = []
        if self._store is not None:
            done = read_stored(self._store)
            for number, id_ in done.known:
                self._technicians[number].known.add(id_)
            for number in done.moved:
                newest = self._technicians[number].followed.newest
                if newest is not None:
                    changes[map_key(number)] = map_state(_position(newest, self._received_at))
            late = done.late
            self._write_rare(cursor)
        now = self._received_at.timestamp()
        recorded: list[Recorded | None] = []
        for reading, is_good in zip(self._readings, self._good, strict=True):
            if not is_good:
                recorded.append(None)
                continue
            technician = self._technicians[reading.technician_id]
            outcomes = [technician.outcome(fix) for fix in reading.fixes]
            recorded.append(Recorded(outcomes, profile_at(self._policy, technician.work, now)))
        visits = [
            (number, event)
            for number, technician in self._technicians.items()
            for event in technician.followed.events
            if isinstance(event, Arrived | Departed)
        ]
        return Stored(recorded, changes, late, visits)

    def _write_rare(self, cursor: CursorWrapper) -> None:
        checkpoints: list[tuple[int, datetime, bytes]] = []
        for number, technician in self._technicians.items():
            followed = technician.followed
            if followed.events:
                write_events(cursor, self._schema, number, followed.events)
            if followed.earlier:
                write_reasons(cursor, self._schema, number, followed.earlier)
            if followed.checkpoint_at is not None and followed.state is not None:
                checkpoints.append((number, followed.checkpoint_at, followed.state))
        write_checkpoints(cursor, self._schema, checkpoints)


class _Technician:
    """One technician's part of a batch. Of fixes with the same id the first counts."""

    def __init__(self, work: AtWork) -> None:
        self.work = work
        self.fixes: dict[uuid.UUID, FixForm] = {}
        self.refused: dict[uuid.UUID, Outcome] = {}
        self.followed = Followed({}, set())
        self.known: set[uuid.UUID] = set()
        #: Whether this transaction has the track.
        self.is_held = False
        self.lag: float | None = None

    def add(self, fix: FixForm, policy: Policy, earliest: datetime, received_at: datetime) -> None:
        if fix.id in self.fixes or fix.id in self.refused:
            return
        if fix.heading == 360:
            fix = msgspec.structs.replace(fix, heading=0.0)
        if fix.recorded_at < earliest:
            self.refused[fix.id] = TOO_OLD
        # Of a clock that runs ahead it is known that it was no later than now.
        elif not _wants(policy, self.work, min(fix.recorded_at, received_at).timestamp()):
            self.refused[fix.id] = OFF_SHIFT
        else:
            self.fixes[fix.id] = fix

    def follow(self, track: Opened | None, policy: Policy, received_at: datetime) -> None:
        near = timedelta(hours=settings.JOB_NEAR_HOURS)
        self.followed = follow(
            track,
            self.fixes,
            thresholds=to_thresholds(policy),
            sites=to_sites(self.work, radius=policy.site_radius, near=near),
            latest=received_at + timedelta(seconds=settings.FIX_LIVE_AHEAD_SECONDS),
            between_checkpoints=settings.FIXES_BETWEEN_CHECKPOINTS,
        )
        if track is not None:
            self.is_held = True
            self.lag = _lag(track.lag, self.fixes.values(), received_at)

    @property
    def newest_id(self) -> uuid.UUID | None:
        newest = self.followed.newest
        return None if newest is None else newest.id

    def new_fixes(self, number: int) -> Iterator[NewFix]:
        reasons, late = self.followed.reasons, self.followed.late
        for id_, fix in self.fixes.items():
            reason = reasons[id_]
            yield NewFix(number, reason, id_ in late if has_order(reason) else None, fix)

    def outcome(self, fix: FixForm) -> Outcome:
        """The outcome of the first fix with its id; further ones are known then."""
        if fix.id in self.refused:
            return self.refused[fix.id]
        if fix.id in self.known:
            return KNOWN
        self.known.add(fix.id)
        reason = self.followed.reasons[fix.id]
        return STORED if reason is None else Outcome("stored", reason)


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


def _position(fix: FixForm, received_at: datetime) -> PositionBody:
    return PositionBody(
        lat=fix.lat,
        lon=fix.lon,
        accuracy=fix.accuracy,
        speed=fix.speed,
        heading=fix.heading,
        battery=fix.battery,
        recorded_at=fix.recorded_at,
        received_at=received_at,
    )
