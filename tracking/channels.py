"""Positions on the cable."""

from __future__ import annotations

from dispatch.sockets import CompanyChannel
from tenants.streams import company_stream
from tracking.actions import MAP_STREAM
from tracking.messages import to_wire
from tracking.queries import map_snapshot


class MapChannel(CompanyChannel):
    """The live map of one company: a snapshot first, then each change.

    Changes that arrive while the snapshot is read follow it; a viewer keeps the later
    `recorded_at` of the two. For owners and dispatchers.
    """

    async def subscribed(self) -> None:
        if not self.identity.may_dispatch:
            return self.reject()
        await self.stream_from(company_stream(self.identity.company.schema, MAP_STREAM))
        return await self.resync()

    async def resync(self) -> None:
        self.transmit(to_wire(await self.run(map_snapshot)))
