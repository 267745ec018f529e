"""Recording one phone's fixes, for doors that ask the database anyway."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection, transaction
from django.utils import timezone

from cable import broadcast_state
from tenants.context import current_schema
from tenants.streams import company_stream
from tracking.actions.storing import MAP_STREAM, Outcome, Reading, store_readings
from tracking.fixes import FixForm


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
    readings = [Reading(technician_id, fix) for fix in fixes]
    with transaction.atomic(), connection.cursor() as cursor:
        stored = store_readings(cursor, schema, readings, received_at=timezone.now())
        if stored.changes:
            broadcast_state(company_stream(schema, MAP_STREAM), stored.changes)
    return stored.outcomes
