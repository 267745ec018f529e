"""Everything that changes positions."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from cable import broadcast_state
from tenants.context import current_schema
from tenants.streams import company_stream
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

# One statement and one round trip for a whole batch. A fix that another request is storing at
# this moment makes it wait for that one's commit, so "duplicate" means "is stored".
_INSERT_FIXES = f"""
INSERT INTO tracking_fix (technician_id, received_at, {_NAMES})
SELECT %s, %s, {_NAMES} FROM unnest({_ARRAYS}) AS new ({_NAMES})
ORDER BY id
ON CONFLICT (technician_id, id) DO NOTHING
RETURNING id
"""  # noqa: S608  names are constants of this module

_POSITION_NAMES = ", ".join(name for name in _COLUMNS if name != "id")
_POSITION_VALUES = ", ".join("%s" for name in _COLUMNS if name != "id")
_POSITION_UPDATES = ", ".join(
    f"{name} = EXCLUDED.{name}" for name in ("received_at", *_COLUMNS) if name != "id"
)
# The marker never moves back: an older reading changes nothing and returns no row.
_MOVE_POSITION = f"""
INSERT INTO tracking_position (technician_id, received_at, {_POSITION_NAMES})
VALUES (%s, %s, {_POSITION_VALUES})
ON CONFLICT (technician_id) DO UPDATE SET {_POSITION_UPDATES}
WHERE tracking_position.recorded_at < EXCLUDED.recorded_at
RETURNING technician_id
"""  # noqa: S608  names are constants of this module


def record_fixes(*, technician_id: int, fixes: Sequence[FixForm]) -> list[Outcome]:
    """Store one phone's fixes and move its technician's marker; one outcome per fix, in order.

    Idempotent on (technician, fix id). All fixes are committed together when this returns;
    the map hears of the newest after the commit. Locks the technician's position row.

    Raises:
        NoCompanyError: outside of a company's scope.
    """
    if not fixes:
        return []
    schema = current_schema()
    received_at = timezone.now()
    with transaction.atomic():
        stored = _insert(technician_id, fixes, received_at)
        newest = _newest(fixes, stored, received_at)
        if newest and _move(technician_id, newest, received_at):
            _announce(schema, technician_id, newest, received_at)
    outcomes: list[Outcome] = []
    for fix in fixes:
        outcomes.append("stored" if fix.id in stored else "duplicate")
        stored.discard(fix.id)  # a second one with the same id in one batch is a duplicate
    return outcomes


def _insert(technician_id: int, fixes: Sequence[FixForm], received_at: datetime) -> set[uuid.UUID]:
    # ON CONFLICT cannot see two equal ids within its own statement.
    unique = {fix.id: fix for fix in reversed(fixes)}.values()
    columns = [[_column(fix, name) for fix in unique] for name in _COLUMNS]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT_FIXES, [technician_id, received_at, *columns])
        return {row[0] for row in cursor.fetchall()}


def _newest(
    fixes: Sequence[FixForm], stored: set[uuid.UUID], received_at: datetime
) -> FixForm | None:
    """The fix that may move the marker. One from the future would freeze it until then."""
    latest = received_at + timedelta(seconds=settings.FIX_LIVE_AHEAD_SECONDS)
    candidates = [fix for fix in fixes if fix.id in stored and fix.recorded_at <= latest]
    return max(candidates, key=lambda fix: fix.recorded_at, default=None)


def _move(technician_id: int, fix: FixForm, received_at: datetime) -> bool:
    values = [_column(fix, name) for name in _COLUMNS if name != "id"]
    with connection.cursor() as cursor:
        cursor.execute(_MOVE_POSITION, [technician_id, received_at, *values])
        return cursor.fetchone() is not None


def _announce(schema: str, technician_id: int, fix: FixForm, received_at: datetime) -> None:
    known = {
        name: _column(fix, name) for name in _COLUMNS if name in PositionBody.__struct_fields__
    }
    position = PositionBody(received_at=received_at, **known)
    changes = {map_key(technician_id): map_state(position)}
    broadcast_state(company_stream(schema, MAP_STREAM), changes)


def _column(fix: FixForm, name: str) -> Any:
    value = getattr(fix, name)
    return 0.0 if name == "heading" and value == 360 else value
