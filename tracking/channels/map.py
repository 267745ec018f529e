"""Positions on the cable."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

from cable import State, action
from dispatch.errors import BadInputError
from dispatch.sockets import CompanyChannel
from tenants.context import run_in_tenant
from tenants.streams import company_stream
from tracking.actions import MAP_STREAM
from tracking.messages import Refused, to_wire
from tracking.queries import POLICY_STREAM, live_positions, technicians_on_map
from tracking.viewport import Viewport, read_viewport
from tracking.watching import Watch

logger = logging.getLogger(__name__)


class MapChannel(CompanyChannel):
    """The live map of one company, for owners and dispatchers.

    Tells the `technicians`, then the conflated stream of their positions: a `snapshot`, then
    `changes`, by technicians' ids as strings. With the parameter `viewport`, `[west, south, east,
    north]` in degrees, only of those inside; without it, of all. A wrong one is rejected. The
    technicians are told again when the company changes the ages at which positions grow old.

    Technicians can read who looked at them here.
    """

    _watch: Watch

    async def subscribed(self) -> None:
        if not self.identity.may_dispatch:
            self.reject()
            return
        try:
            viewport = read_viewport(self.params)
        except BadInputError as error:
            self._log(error)
            self.reject()
            return
        # Before it is read: what changes in between is told again.
        await self.stream_from(company_stream(self.identity.company.schema, POLICY_STREAM))
        await self._tell(viewport)
        self._watch = Watch(self.identity.company.schema, self.identity.user_id, viewport)

    async def resync(self) -> None:
        """Tell all anew, as to a new subscription, instead of making every map connect again."""
        self.stop_stream(self._stream)
        await self._tell(self._watch.part)

    async def unsubscribed(self) -> None:
        self._watch.end()

    @action
    async def viewport(self, data: dict[str, Any]) -> None:
        """Show another part from now on: `{"viewport": […]}`, null for the whole map.

        Answered with a `snapshot` of it; a wrong one with `refused`, and changes nothing. A new
        socket begins with the subscription's parameter.
        """
        try:
            viewport = read_viewport(data, required=True)
        except BadInputError as error:
            self._log(error)
            self.transmit(to_wire(Refused(action="viewport", errors=list(error.errors))))
        else:
            self.show_only(self._stream, viewport)
            self._watch.look_at(viewport)

    async def _tell(self, viewport: Viewport | None) -> None:
        self.transmit(to_wire(await self.run(technicians_on_map)))
        # Not of this socket: the stream loads again for its other viewers when this one is gone.
        load = partial(load_positions, self.identity.company.schema)
        await self.stream_state(self._stream, load=load, only=viewport)

    @property
    def _stream(self) -> str:
        return company_stream(self.identity.company.schema, MAP_STREAM)

    def _log(self, error: BadInputError) -> None:
        for each in error.errors:
            logger.warning(
                "%r sent %s %r: it %s", self.connection, each.field, each.value, each.message
            )


async def load_positions(schema: str) -> Mapping[str, State]:
    """The state of one company's map, read off the event loop."""
    return await run_in_tenant(schema, live_positions)
