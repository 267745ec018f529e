"""Telling, beside the live map and never in its way, who looks at it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection

from django.conf import settings

from tenants.context import run_in_tenant
from tracking.actions.viewing import record_viewing
from tracking.models import Viewing
from tracking.queries import technicians_seen
from tracking.viewport import Viewport

logger = logging.getLogger(__name__)

# Parts of the map; None is the whole.
Parts = set[Viewport | None]


class Watches:
    """What one process's viewers looked at, recorded one viewer after the other.

    So an avalanche of sockets takes one of the threads that the map reads with, and a viewer with
    many sockets is recorded once. A viewer of whom a record fails is logged; nobody else notices.
    """

    def __init__(self) -> None:
        # (schema, user) → parts of the map that were seen and are not recorded yet.
        self._waiting: dict[tuple[str, int], Parts] = {}
        self._task: asyncio.Task[None] | None = None

    def note(self, schema: str, viewer: int, part: Viewport | None) -> None:
        """A user looks at this part of a company's map now. Returns at once."""
        parts = self._waiting.setdefault((schema, viewer), set())
        parts.add(part)
        if len(parts) > settings.VIEWING_MAX_PARTS:
            parts.clear()
            parts.add(None)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._record_all())

    async def wait(self) -> None:
        """Return when all that was noted before is recorded."""
        if self._task is not None:
            await self._task

    async def _record_all(self) -> None:
        while self._waiting:
            (schema, viewer), parts = next(iter(self._waiting.items()))
            del self._waiting[schema, viewer]
            try:
                await run_in_tenant(schema, _record, viewer, parts)
            except Exception:
                logger.exception("that user %s of %s looks at the map is not told", viewer, schema)


def _record(viewer: int, parts: Collection[Viewport | None]) -> None:
    record_viewing(viewer=viewer, technicians=technicians_seen(parts), what=Viewing.What.LIVE)


watches = Watches()


class Watch:
    """One open map: its viewer looks at a part of it now, and each VIEWING_TICK_SECONDS."""

    def __init__(self, schema: str, viewer: int, part: Viewport | None) -> None:
        self._schema, self._viewer = schema, viewer
        self._timer: asyncio.TimerHandle | None = None
        #: What the viewer looks at now.
        self.part = part
        self.look_at(part)

    def look_at(self, part: Viewport | None) -> None:
        """Another part, from now on."""
        self.end()  # of the part before
        self.part = part
        watches.note(self._schema, self._viewer, part)
        self._timer = asyncio.get_running_loop().call_later(
            settings.VIEWING_TICK_SECONDS, self.look_at, part
        )

    def end(self) -> None:
        """What was looked at is no longer, from now on."""
        if self._timer is not None:
            self._timer.cancel()
        watches.note(self._schema, self._viewer, self.part)
