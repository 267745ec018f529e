"""Storing what phones send, on the event loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError
from psycopg_pool import PoolTimeout, TooManyRequests

from tenants.queries import Company
from tracking.actions import Busy, CompanyFailed, GroupCommit, Outcome, Recorded, Upload
from tracking.fixes import FixForm

#: Why nothing can be stored now; the phone keeps what it sent and comes again.
UNAVAILABLE = (
    Busy,
    CompanyFailed,
    InterfaceError,
    OperationalError,
    PoolTimeout,
    TooManyRequests,
)


class Caller(NamedTuple):
    """A technician's phone. `session` is its sign-in, or its key's."""

    company: Company
    technician_id: int
    session: UUID


async def store(caller: Caller, fixes: Sequence[FixForm]) -> Recorded:
    """Store a phone's fixes; what became of each, in order, once all are committed.

    Raises one of UNAVAILABLE, or NotSignedIn. Some may be stored then; sending all again does no
    harm.
    """
    most = settings.FIXES_MAX_ITEMS
    parts = [list(fixes[first : first + most]) for first in range(0, len(fixes), most)] or [[]]
    outcomes: list[Outcome] = []
    for part in parts:
        upload = Upload(caller.company.schema, caller.technician_id, caller.session, part)
        recorded = await GroupCommit.current().record(upload)
        outcomes += recorded.outcomes
    return recorded if len(parts) == 1 else Recorded(outcomes, recorded.profile)
