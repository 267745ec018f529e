"""What leaves over the cable about positions. Field names are the wire's."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class PositionBody(msgspec.Struct, frozen=True, kw_only=True):
    """A technician's latest reading. Units as in `tracking.models.Reading`."""

    lat: float
    lon: float
    accuracy: float | None
    speed: float | None
    heading: float | None
    battery: float | None
    recorded_at: datetime
    received_at: datetime


class TechnicianPosition(PositionBody, frozen=True, kw_only=True):
    technician_id: int


class TechnicianOnMap(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    name: str
    initials: str
    color: str
    position: PositionBody | None


class MapSnapshot(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="snapshot"):
    """The whole map. `thresholds` are ages in seconds at which a position changes its state."""

    server_time: datetime
    thresholds: dict[str, int]
    technicians: list[TechnicianOnMap]


class PositionsChanged(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="positions"
):
    """Technicians who moved, after their fixes were committed."""

    server_time: datetime
    positions: list[TechnicianPosition]


def to_wire(message: msgspec.Struct) -> dict[str, Any]:
    """The message as JSON's types."""
    wire: dict[str, Any] = msgspec.to_builtins(message)
    return wire
