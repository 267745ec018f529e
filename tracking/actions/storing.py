"""The one statement that stores fixes and moves markers."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from django.conf import settings
from django.db.backends.utils import CursorWrapper

from cable import State
from tenants.context import quoted_schema
from tracking.fixes import FixForm
from tracking.messages import PositionBody, map_key, map_state

MAP_STREAM = "map"

Outcome = Literal["stored", "duplicate"]

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
_POSITION_NAMES = ", ".join(name for name in _COLUMNS if name != "id")
_POSITION_UPDATES = ", ".join(
    f"{name} = EXCLUDED.{name}" for name in ("received_at", *_COLUMNS) if name != "id"
)

# One round trip for a batch of any size and of any number of technicians. Rows are taken in the
# order of their keys, so that two batches never wait for each other in a circle. A fix that
# another transaction is storing at this moment makes it wait for that one's commit, so
# "duplicate" means "is stored". A marker never moves back: an older reading changes nothing. One
# from the future would freeze it until then.
_STORE = f"""
WITH new AS (
    SELECT * FROM unnest(%s::int8[], {_ARRAYS}) AS new (technician_id, {_NAMES})
), stored AS (
    INSERT INTO {{schema}}.tracking_fix (technician_id, received_at, {_NAMES})
    SELECT technician_id, %s, {_NAMES} FROM new ORDER BY technician_id, id
    ON CONFLICT (technician_id, id) DO NOTHING
    RETURNING technician_id, id
), newest AS (
    SELECT DISTINCT ON (technician_id) new.*
    FROM new JOIN stored USING (technician_id, id)
    WHERE new.recorded_at <= %s
    ORDER BY technician_id, recorded_at DESC, id
), moved AS (
    INSERT INTO {{schema}}.tracking_position AS held
        (technician_id, received_at, {_POSITION_NAMES})
    SELECT technician_id, %s, {_POSITION_NAMES} FROM newest ORDER BY technician_id
    ON CONFLICT (technician_id) DO UPDATE SET {_POSITION_UPDATES}
    WHERE held.recorded_at < EXCLUDED.recorded_at
    RETURNING technician_id
)
SELECT technician_id, stored.id, newest.id IS NOT NULL AND moved.technician_id IS NOT NULL
FROM stored
LEFT JOIN newest USING (technician_id, id)
LEFT JOIN moved USING (technician_id)
"""  # noqa: S608  names are constants of this module


class Reading(NamedTuple):
    """A fix and whose it is."""

    technician_id: int
    fix: FixForm


class Stored(NamedTuple):
    """An outcome for each reading, in order; and the map's keys that changed."""

    outcomes: list[Outcome]
    changes: dict[str, State]


def store_readings(
    cursor: CursorWrapper, schema: str, readings: Sequence[Reading], *, received_at: datetime
) -> Stored:
    """Store readings of one company and move its markers, in the present transaction.

    Idempotent on (technician, fix id); of equal ones in `readings` the first counts. Locks the
    position rows of these technicians, in the order of their ids.

    Raises:
        NoCompanyError: `schema` is empty or `public`.
        IntegrityError: there is no such technician.
    """
    unique = {(each.technician_id, each.fix.id): each for each in reversed(readings)}
    rows = list(unique.values())
    columns = [[_column(each.fix, name) for each in rows] for name in _COLUMNS]
    latest = received_at + timedelta(seconds=settings.FIX_LIVE_AHEAD_SECONDS)
    technicians = [each.technician_id for each in rows]
    cursor.execute(_statement(schema), [technicians, *columns, received_at, latest, received_at])
    fresh: set[tuple[int, uuid.UUID]] = set()
    changes: dict[str, State] = {}
    for technician_id, fix_id, moved in cursor.fetchall():
        fresh.add((technician_id, fix_id))
        if moved:
            fix = unique[technician_id, fix_id].fix
            changes[map_key(technician_id)] = map_state(_position(fix, received_at))
    outcomes: list[Outcome] = []
    for each in readings:
        key = (each.technician_id, each.fix.id)
        outcomes.append("stored" if key in fresh else "duplicate")
        fresh.discard(key)  # a second one with the same id is a duplicate
    return Stored(outcomes, changes)


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
