"""Recording one phone's fixes, for doors that ask the database anyway."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from cable import broadcast, broadcast_state
from tenants.context import current_schema
from tenants.streams import company_stream
from tracking.actions.outcomes import Recorded
from tracking.actions.settling import settle_track
from tracking.actions.storing import MAP_STREAM, CompanyPart, Reading, store_parts
from tracking.actions.telling import to_proposal
from tracking.fixes import FixForm
from tracking.messages import technician_stream


def record_fixes(*, technician_id: int, fixes: Sequence[FixForm]) -> Recorded:
    """Store one phone's fixes and follow its technician; one outcome per fix, in order.

    Idempotent on (technician, fix id), and on (technician, moment, place). All fixes are committed
    together when this returns; the map hears of the newest after the commit. Late ones are worked
    in before it returns.

    Raises:
        NoCompanyError: outside of a company's scope.
    """
    schema = current_schema()
    part = CompanyPart(schema, [Reading(technician_id, fixes)], received_at=timezone.now())
    with transaction.atomic():
        (stored,) = store_parts([part])
        if stored.changes:
            broadcast_state(company_stream(schema, MAP_STREAM), stored.changes)
        for number, event in stored.visits:
            broadcast(company_stream(schema, technician_stream(number)), to_proposal(event))
    if stored.late:
        settle_track(technician_id=technician_id)
    (recorded,) = stored.recorded
    if recorded is None:
        raise AssertionError("only a phone that shows a sign-in can be refused for it")
    return recorded
