"""Settling tracks behind uploads, in the process that took them."""

from __future__ import annotations

import asyncio
import logging

from django.conf import settings

from tenants.context import run_in_tenant
from tracking.actions.settling import settle_part

logger = logging.getLogger(__name__)


class Settler:
    """Works tracks through, one part of one after the other, so that a phone that keeps sending old
    fixes holds up no other's track for longer than a part; use it on one event loop.

    What it loses when the process ends, or leaves since it failed, `settle_tracks` finds: the need
    for it is in the database.
    """

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, int], None] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, schema: str, technician_id: int) -> None:
        """Have a technician's track settled soon."""
        if len(self._waiting) < settings.SETTLE_MAX_WAITING:
            self._waiting[schema, technician_id] = None
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="settle-tracks")

    async def _run(self) -> None:
        try:
            while self._waiting:
                schema, technician_id = next(iter(self._waiting))
                del self._waiting[schema, technician_id]
                try:
                    _, more = await run_in_tenant(schema, settle_part, technician_id=technician_id)
                    if more:
                        self.add(schema, technician_id)
                except Exception:
                    logger.exception("a track of %s is not settled", schema)
        finally:
            self._task = None
