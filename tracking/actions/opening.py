"""Opening technicians' tracks: reading what is known of them, and locking it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from tenants.context import in_schema
from tracking.models import Policy

# A track that another transaction works on is skipped, not waited for: others' phones would wait
# as well. The policy is a row before the tracks'.
_OPEN = """
SELECT NULL::int8, NULL::bytea, NULL::float8, row_to_json(policy)::text
FROM {schema}.tracking_policy policy
UNION ALL
SELECT technician_id, state, lag, NULL FROM (
    SELECT technician_id, state, lag FROM {schema}.tracking_track
    WHERE technician_id = ANY(%s::int8[]) ORDER BY technician_id FOR UPDATE SKIP LOCKED
) track
"""
_ADD = """
INSERT INTO {schema}.tracking_track (technician_id, state)
SELECT id, '' FROM unnest(%s::int8[]) AS id ORDER BY id
ON CONFLICT DO NOTHING
"""
_DEFAULT = Policy()
_COLUMNS = {field.attname for field in Policy._meta.concrete_fields}


class Opened(NamedTuple):
    """A track that this transaction has locked. `lag` as in `tracking.models.Track`."""

    state: bytes
    lag: float | None


def ask_tracks(cursor: Any, schema: str, technicians: Sequence[int]) -> None:
    """Lock the tracks of these technicians of one company; ask for the company's policy too."""
    cursor.execute(in_schema(_OPEN, schema), [list(technicians)])


def read_tracks(cursor: Any) -> tuple[Policy, dict[int, Opened]]:
    """Tracks that others hold, or that are not there yet, are left out."""
    policy, opened = _DEFAULT, {}
    for number, state, lag, chosen in cursor.fetchall():
        if number is None:
            # Another release may have added a column.
            columns = msgspec.json.decode(chosen)
            policy = Policy(**{name: columns[name] for name in columns.keys() & _COLUMNS})
        else:
            opened[number] = Opened(bytes(state), lag)
    return policy, opened


def add_tracks(cursor: Any, schema: str, technicians: Sequence[int]) -> dict[int, Opened]:
    """Make and lock the tracks of those of these technicians who have none.

    Raises:
        IntegrityError: there is no such technician.
    """
    if not technicians:
        return {}
    cursor.execute(in_schema(_ADD, schema), [list(technicians)])
    if not cursor.rowcount:
        return {}
    ask_tracks(cursor, schema, technicians)
    return read_tracks(cursor)[1]
