"""Working tracks through again: after late fixes, or under another policy.

Somebody's fixes are read in the order of the phone's clock, from the last checkpoint before what
changed, and what comes of them replaces what came of them before. So it does not matter in which
order fixes came, and how often.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Q
from django.utils import timezone

from cable import State as MapState
from cable import broadcast_state
from tenants.context import current_schema
from tenants.streams import company_stream
from tracking.actions.following import from_engine_time, to_engine_time, to_thresholds
from tracking.actions.past_sites import Visits, past_sites
from tracking.actions.storing import MAP_STREAM
from tracking.actions.telling import write_checkpoints, write_events, write_reasons
from tracking.actions.track_lock import lock_track
from tracking.engine import (
    UNKNOWN_ACCURACY,
    Engine,
    Point,
    Reason,
    Site,
    State,
    decode_state,
    encode_state,
)
from tracking.messages import PositionBody, map_key, map_removal, map_state
from tracking.models import (
    Checkpoint,
    Correction,
    Fix,
    Policy,
    Position,
    Recount,
    Trip,
    Visit,
)
from tracking.queries import POSITION_FIELDS
from tracking.queries import policy as company_policy

logger = logging.getLogger(__name__)

#: Why a track is worked through again; of several, the first of these is told. What was erased is
#: on no record.
CAUSES = ("erasure", "policy", "late")
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)


class _Part(msgspec.Struct):
    """Fixes after `start`, until and with `end`; `is_last`: none follow."""

    start: datetime
    end: datetime
    is_last: bool


def unsettled_technicians() -> list[int]:
    """Technicians of the present company whose tracks are to be worked through again."""
    numbers = Recount.objects.order_by("technician_id").values_list("technician_id", flat=True)
    return list(numbers.distinct())


def settle_track(*, technician_id: int) -> int:
    """Work a technician's track through again as far as needed; the number of fixes that it took.

    Cut short at any moment, it is continued by the next call.

    Raises:
        NoCompanyError: outside of a company's scope.
    """
    taken, more = 0, True
    while more:
        count, more = settle_part(technician_id=technician_id)
        taken += count
    return taken


def settle_part(*, technician_id: int) -> tuple[int, bool]:
    """One transaction of `settle_track`, of SETTLE_MAX_FIXES at most: how many fixes it took, and
    whether there is more to do. Locks the track.

    Raises:
        NoCompanyError: outside of a company's scope.
    """
    schema = current_schema()
    with transaction.atomic(), connection.cursor() as cursor:
        return _Settling(cursor, schema, technician_id).run()


class _Settling:
    """One transaction's part of the work."""

    def __init__(self, cursor: CursorWrapper, schema: str, technician_id: int) -> None:
        self._cursor, self._schema, self._technician = cursor, schema, technician_id

    def run(self) -> tuple[int, bool]:
        """How many fixes it took, and whether there is more to do."""
        technician = self._technician
        track = lock_track(technician)
        recounts = list(Recount.objects.filter(technician_id=technician))
        if not recounts:
            return 0, False
        since = min(recount.since for recount in recounts)
        causes = {recount.cause for recount in recounts}
        policy = company_policy()
        start, state = self._beginning(since)
        fixes = self._read(start, state)
        more = len(fixes) > settings.SETTLE_MAX_FIXES
        fixes = fixes[: settings.SETTLE_MAX_FIXES]
        end = fixes[-1].recorded_at if fixes else start
        part = _Part(start, end, not more)
        before = self._visits(part)
        ends = self._ends_beyond(part)
        self._forget(part)
        sites = past_sites(
            self._cursor, self._schema, technician, (start, end), before, radius=policy.site_radius
        )
        self._work(fixes, state, policy, part, sites)
        self._keep(ends)
        cause = next(each for each in CAUSES if each in causes)
        if cause != "erasure":
            self._correct(before, self._visits(part), cause)
        Recount.objects.filter(pk__in=[recount.pk for recount in recounts]).delete()
        if more:
            # At the checkpoint that was just made.
            just_after = end + timedelta(microseconds=1)
            Recount.objects.create(technician_id=technician, since=just_after, cause=cause)
        else:
            track.state = encode_state(state)
            track.save(update_fields=["state"])
            self._place()
        return len(fixes), more

    def _beginning(self, since: datetime) -> tuple[datetime, State]:
        """The moment after which to begin, and what was known then."""
        checkpoints = Checkpoint.objects.filter(technician_id=self._technician)
        while checkpoint := (
            checkpoints.filter(recorded_at__lt=since).order_by("-recorded_at").first()
        ):
            since = checkpoint.recorded_at
            try:
                return since, decode_state(bytes(checkpoint.state))
            except msgspec.MsgspecError:
                logger.exception("a checkpoint cannot be read; the one before it is taken")
        return _FIRST, State()

    def _read(self, start: datetime, state: State) -> list[Fix]:
        """Some fixes after those that `state` knows, one more than may be taken."""
        after = Q(recorded_at__gt=start) | Q(recorded_at=start, id__gt=state.last_id)
        rows = Fix.objects.filter(after, technician_id=self._technician, recorded_at__gte=start)
        return list(
            rows.order_by("recorded_at", "id").only(
                "technician_id", "id", "recorded_at", "received_at", "lat", "lon", "accuracy",
                "mock", "reason",
            )[: settings.SETTLE_MAX_FIXES + 1]
        )  # fmt: skip

    def _ends_beyond(self, part: _Part) -> list[Visit]:
        """Visits that begin in this part and end in a later one."""
        if part.is_last:
            return []
        rows = Visit.objects.filter(technician_id=self._technician, left_by__gt=part.end)
        return list(rows.filter(_within("arrived_by", part)))

    def _keep(self, ends: Iterable[Visit]) -> None:
        """Let visits that were found again end as they did, until the part of their end tells."""
        for visit in ends:
            found = Visit.objects.filter(pk=visit.pk, left_by=None)
            found.update(left_at=visit.left_at, left_by=visit.left_by)

    def _forget(self, part: _Part) -> None:
        """Take back what was found by the fixes of this part, and after it when it is the last."""
        mine = Q(technician_id=self._technician)
        Trip.objects.filter(mine, _within("settled_at", part)).delete()
        Visit.objects.filter(mine, _within("arrived_by", part)).delete()
        Visit.objects.filter(mine, _within("left_by", part)).update(left_at=None, left_by=None)
        Checkpoint.objects.filter(mine, recorded_at__gt=part.start).delete()

    def _work(
        self,
        fixes: Sequence[Fix],
        state: State,
        policy: Policy,
        part: _Part,
        sites: Sequence[Site],
    ) -> None:
        engine, waits = Engine(state, to_thresholds(policy), sites), state.held
        checkpoints: list[tuple[int, datetime, bytes]] = []
        for fix in fixes:
            engine.take(_point(fix))
            if state.since_checkpoint >= settings.FIXES_BETWEEN_CHECKPOINTS:
                state.since_checkpoint = 0
                at = from_engine_time(state.last_at)
                checkpoints.append((self._technician, at, encode_state(state)))
        if not part.is_last and fixes:
            # The next part goes on behind it, though it may be one that the engine passes over.
            state.last_at, state.last_id = to_engine_time(part.end), fixes[-1].id
            state.since_checkpoint = 0
            checkpoints.append((self._technician, part.end, encode_state(state)))
        held = {fix.id: fix.reason for fix in fixes}
        # Who followed it to another verdict may have done so through what is not stored.
        judged: dict[UUID, Reason | None] = {} if waits is None else {waits.id: "unconfirmed"}
        judged |= {id_: reason for _, id_, reason in engine.judged}
        changed = {
            id_: reason for id_, reason in judged.items() if id_ not in held or held[id_] != reason
        }
        write_reasons(self._cursor, self._schema, self._technician, changed)
        write_events(self._cursor, self._schema, self._technician, engine.events)
        write_checkpoints(self._cursor, self._schema, checkpoints)

    def _visits(self, part: _Part) -> Visits:
        """When one was at jobs' sites, by the job, as far as this part may change it."""
        rows = Visit.objects.filter(
            Q(left_by__isnull=True) | Q(left_by__gt=part.start) | Q(arrived_by__gt=part.start),
            technician_id=self._technician,
            crossing=False,
        ).order_by("job_id", "arrived_at")
        found: Visits = {}
        for job, arrived_at, left_at in rows.values_list("job_id", "arrived_at", "left_at"):
            found.setdefault(job, []).append((arrived_at, left_at))
        return found

    def _correct(self, before: Visits, after: Visits, cause: str) -> None:
        """Keep on record where a time on site that was told already is another one now."""
        now = timezone.now()
        Correction.objects.bulk_create(
            Correction(
                job_id=job,
                technician_id=self._technician,
                cause=cause,
                before=_wire(before.get(job, [])),
                after=_wire(after.get(job, [])),
                corrected_at=now,
            )
            for job in sorted(before.keys() | after.keys())
            if before.get(job) != after.get(job)
        )

    def _place(self) -> None:
        """Put the marker on the newest good fix, and tell the map."""
        rows = Fix.objects.filter(technician_id=self._technician, reason=None)
        newest = rows.order_by("-recorded_at", "-id").first()
        held = Position.objects.filter(pk=self._technician).first()
        stream, key = company_stream(self._schema, MAP_STREAM), map_key(self._technician)
        if newest is None:
            if held is not None:
                held.delete()
                broadcast_state(stream, {key: map_removal(held.recorded_at)})
            return
        values = {name: getattr(newest, name) for name in _READING}
        if held is not None and all(getattr(held, name) == values[name] for name in _READING):
            return
        Position.objects.update_or_create(pk=self._technician, defaults=values)
        body = PositionBody(**{name: values[name] for name in POSITION_FIELDS})
        state = map_state(body)
        if held is not None and held.recorded_at >= newest.recorded_at:
            # Viewers have a newer one, which is no good; their next one is newer still.
            state = MapState(to_engine_time(held.recorded_at) + 1, body)
        broadcast_state(stream, {key: state})


_READING = [
    field.attname for field in Position._meta.concrete_fields if field.attname != "technician_id"
]


def _within(field: str, part: _Part) -> Q:
    condition = Q(**{f"{field}__gt": part.start})
    return condition if part.is_last else condition & Q(**{f"{field}__lte": part.end})


def _point(fix: Fix) -> Point:
    ahead = (fix.recorded_at - fix.received_at).total_seconds() > settings.FIX_LIVE_AHEAD_SECONDS
    return Point(
        to_engine_time(fix.recorded_at),
        fix.id,
        fix.lat,
        fix.lon,
        UNKNOWN_ACCURACY if fix.accuracy is None else fix.accuracy,
        fix.mock is True,
        ahead,
    )


def _wire(visits: Iterable[tuple[datetime, datetime | None]]) -> list[list[Any]]:
    return [[start.isoformat(), end and end.isoformat()] for start, end in visits]
