"""The one statement that stores a company's fixes and what follows from most of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from datetime import datetime
from operator import attrgetter
from typing import Any, Literal, NamedTuple

import msgspec

from tenants.context import in_schema
from tracking.actions import arrays
from tracking.engine import Reason
from tracking.fixes import FixForm

# Column, PostgreSQL type, and how a list of it is written.
_COLUMNS: dict[str, tuple[str, Callable[[Iterable[Any]], str]]] = {
    "id": ("uuid", arrays.ids),
    "recorded_at": ("float8", arrays.moments),
    "lat": ("float8", arrays.numbers),
    "lon": ("float8", arrays.numbers),
    "accuracy": ("float8", arrays.numbers),
    "speed": ("float8", arrays.numbers),
    "heading": ("float8", arrays.numbers),
    "altitude": ("float8", arrays.numbers),
    "battery": ("float8", arrays.numbers),
    "charging": ("boolean", arrays.booleans),
    "activity": ("text", arrays.texts),
    "mock": ("boolean", arrays.booleans),
}
_NAMES = ", ".join(_COLUMNS)
_VALUES = ", ".join(
    f"to_timestamp({name}) AS {name}" if name == "recorded_at" else name for name in _COLUMNS
)
_ARRAYS = ", ".join(f"%s::{kind}[]" for kind, _ in _COLUMNS.values())
_PLACED = ", ".join(name for name in _COLUMNS if name != "id")
_PLACED_NEW = ", ".join(f"new.{name}" for name in _COLUMNS if name != "id")
_PLACED_UPDATES = ", ".join(
    f"{name} = EXCLUDED.{name}" for name in ("received_at", *_COLUMNS) if name != "id"
)

# One round trip for a batch of any size and of any number of technicians. Rows are taken in the
# order of their keys, so that two batches never wait for each other in a circle. A fix that
# another transaction is storing at this moment makes it wait for that one's commit, so
# "duplicate" means "is stored". A marker never moves back: an older fix changes nothing. A track
# that was followed through a fix that was not stored, such as one with the id of another, knows
# more than the table: it is worked through again.
_STORE = f"""
WITH new AS (
    SELECT technician_id, reason, is_late, {_VALUES}
    FROM unnest(%s::int8[], %s::text[], %s::boolean[], {_ARRAYS})
        AS sent (technician_id, reason, is_late, {_NAMES})
), stored AS (
    INSERT INTO {{schema}}.tracking_fix (technician_id, reason, received_at, {_NAMES})
    SELECT technician_id, reason, %s, {_NAMES} FROM new ORDER BY technician_id, id
    ON CONFLICT DO NOTHING
    RETURNING technician_id, id
), late AS (
    INSERT INTO {{schema}}.tracking_recount (technician_id, since, cause)
    SELECT technician_id, min(recorded_at), 'late'
    FROM new LEFT JOIN stored USING (technician_id, id)
    WHERE is_late = (stored.id IS NOT NULL) GROUP BY technician_id
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
    JOIN stored ON stored.technician_id = followed.technician_id AND stored.id = newest
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


class NewFix(NamedTuple):
    """A fix to store. `is_late`: its track was not followed through it, and is to be worked through
    again if it is stored; False: if it is not; None: no other depends on it."""

    technician_id: int
    reason: Reason | None
    is_late: bool | None
    fix: FixForm


class NewState(NamedTuple):
    """How far a track was followed; `state` None: as before. `newest` is the fix of the marker."""

    technician_id: int
    state: bytes | None
    lag: float | None
    newest: uuid.UUID | None


class Done(msgspec.Struct):
    """What the statement found: fixes that were known, by technician and id; technicians whose
    tracks are to be worked through again; and those whose markers moved."""

    known: list[tuple[int, uuid.UUID]] = []
    late: list[int] = []
    moved: list[int] = []


def send_store(
    cursor: Any,
    schema: str,
    fixes: list[NewFix],
    states: list[NewState],
    *,
    received_at: datetime,
) -> None:
    """Store new fixes of one company and how far its tracks were followed.

    Whoever sends this holds the tracks of `states`.
    """
    forms = [new.fix for new in fixes]
    columns = [write(map(attrgetter(name), forms)) for name, (_, write) in _COLUMNS.items()]
    cursor.execute(
        in_schema(_STORE, schema),
        [
            arrays.numbers(new.technician_id for new in fixes),
            arrays.texts(new.reason for new in fixes),
            arrays.booleans(new.is_late for new in fixes),
            *columns,
            received_at,
            arrays.numbers(new.technician_id for new in states),
            arrays.byte_strings(new.state for new in states),
            arrays.numbers(new.lag for new in states),
            arrays.ids(new.newest for new in states),
            received_at,
        ],
    )


def read_stored(cursor: Any) -> Done:
    done = Done()
    what: Literal["known", "late", "moved"]
    for what, technician_id, id_ in cursor.fetchall():
        if what == "known":
            done.known.append((technician_id, id_))
        else:
            (done.late if what == "late" else done.moved).append(technician_id)
    return done
