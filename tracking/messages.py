"""What leaves over the cable about positions. Field names are the wire's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec

from cable import State
from dispatch.errors import FieldError
from tracking.freshness import PositionState, Thresholds

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
    """With its age by the server's clock, and what that means to the company."""

    technician_id: int
    age_seconds: int
    state: PositionState


class TechnicianOnMap(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    name: str
    initials: str
    color: str


class TechniciansOnMap(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="technicians"
):
    """Who is on the map, by name. `thresholds` are ages in seconds at which a position changes its
    state."""

    thresholds: Thresholds
    technicians: list[TechnicianOnMap]


class Proposal(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="proposal"):
    """What the fixes say of a technician's job, for them to confirm or to put right."""

    job_id: int
    status: Literal["arrived", "left"]
    at: datetime


class JobChanged(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="job"):
    """How far one's job is now."""

    id: int
    status: str


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="refused"):
    """An action that changed nothing, and why."""

    action: str
    errors: list[FieldError]


def technician_stream(technician_id: int) -> str:
    """The name of the stream of what one technician is told."""
    return f"technician.{technician_id}"


def map_key(technician_id: int) -> str:
    """A technician's key in the map's stream."""
    return str(technician_id)


def map_state(position: PositionBody) -> State:
    """A position as the map's stream keeps it.

    Its version orders positions as the database does, to the microsecond: by `recorded_at`.
    """
    return State(_version(position.recorded_at), position)


def map_removal(recorded_at: datetime) -> State:
    """Takes the position of this moment off the map, and each one before it."""
    return State(_version(recorded_at) + 1, None)


def _version(recorded_at: datetime) -> int:
    return (recorded_at - _EPOCH) // timedelta(microseconds=1)


def to_wire(message: msgspec.Struct) -> dict[str, Any]:
    """The message as JSON's types."""
    wire: dict[str, Any] = msgspec.to_builtins(message)
    return wire
