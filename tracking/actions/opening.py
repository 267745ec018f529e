"""Opening technicians' tracks: reading what is known of them, and locking it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from django.db.backends.utils import CursorWrapper

from tenants.context import quoted_schema
from tracking.models import Policy

logger = logging.getLogger(__name__)

_POLICY = [field.attname for field in Policy._meta.concrete_fields if not field.primary_key]
_COLUMNS = ", ".join(f"policy.{name}" for name in _POLICY)

# A track that another transaction works on is skipped, not waited for: others' phones would wait
# as well. There is one row at least, for the policy.
_OPEN = f"""
SELECT track.technician_id, track.state, track.lag, policy.id, {_COLUMNS}
FROM (VALUES (1)) AS one (id)
LEFT JOIN {{schema}}.tracking_policy policy ON policy.id = one.id
LEFT JOIN (
    SELECT technician_id, state, lag FROM {{schema}}.tracking_track
    WHERE technician_id = ANY(%s) ORDER BY technician_id FOR UPDATE SKIP LOCKED
) track ON TRUE
"""  # noqa: S608  names are constants of this module
_ADD = """
INSERT INTO {schema}.tracking_track (technician_id, state)
SELECT id, '' FROM unnest(%s::int8[]) AS id ORDER BY id
ON CONFLICT DO NOTHING
"""
_DEFAULT = Policy()


class Opened(NamedTuple):
    """A track that this transaction has locked. `lag` as in `tracking.models.Track`."""

    state: bytes
    lag: float | None


def open_tracks(
    cursor: CursorWrapper, schema: str, technicians: Sequence[int]
) -> tuple[Policy, dict[int, Opened]]:
    """Lock the tracks of these technicians of one company; also, the company's policy.

    Tracks that others hold, or that are not there yet, are left out.
    """
    cursor.execute(_statement(_OPEN, schema), [list(technicians)])
    rows = cursor.fetchall()
    policy = _DEFAULT
    if rows[0][3] is not None:
        policy = Policy(1, **dict(zip(_POLICY, rows[0][4:], strict=True)))
    return policy, {
        number: Opened(bytes(state), lag) for number, state, lag, *_ in rows if number is not None
    }


def add_tracks(cursor: CursorWrapper, schema: str, technicians: Sequence[int]) -> dict[int, Opened]:
    """Make and lock the tracks of those of these technicians who have none.

    Raises:
        IntegrityError: there is no such technician.
    """
    if not technicians:
        return {}
    cursor.execute(_statement(_ADD, schema), [list(technicians)])
    return open_tracks(cursor, schema, technicians)[1] if cursor.rowcount else {}


@lru_cache(maxsize=10_000)
def _statement(text: str, schema: str) -> str:
    return text.replace("{schema}", quoted_schema(schema))
