"""What viewers of the product's own map see of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from bench.clocks import unix_ahead_ns
from bench.drivers import Counters
from bench.map_viewers import Received, Tally

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RealPosition(msgspec.Struct):
    """A position as the map and `/api/v1/positions/` tell it."""

    lat: float
    lon: float
    accuracy: float | None
    speed: float | None
    heading: float | None
    battery: float | None
    recorded_at: datetime
    received_at: datetime
    #: Microseconds of UNIX time; as in the database, `recorded_at` orders positions.
    version: int = 0

    def __post_init__(self) -> None:
        self.version = (self.recorded_at - _EPOCH) // timedelta(microseconds=1)


class Strip(msgspec.Struct, frozen=True):
    """A viewport from its west to its east, degrees; both belong to it."""

    west: float
    east: float

    def shows(self, lon: float) -> bool:
        return self.west <= lon <= self.east

    @property
    def params(self) -> dict[str, object]:
        """Of the subscription."""
        return {"viewport": [self.west, -90, self.east, 90]}


def strip_of(params: Mapping[str, Any]) -> Strip | None:
    """The one of a subscription with these params; None is the whole map."""
    viewport = params.get("viewport")
    return None if viewport is None else Strip(viewport[0], viewport[2])


class RealTally(Tally[RealPosition]):
    """Of the product's map."""

    def __init__(self, counters: Counters, index: int) -> None:
        decoder = msgspec.json.Decoder(Received[RealPosition])
        super().__init__(counters, index, decoder, strip_of, unix_ahead_ns())


class _Listed(msgspec.Struct):
    technician_id: int


class _Page(msgspec.Struct):
    results: list[msgspec.Raw]


def read_positions(answer: bytes) -> dict[str, RealPosition]:
    """What `/api/v1/positions/` answered, by the map's keys."""
    return {
        str(msgspec.json.decode(each, type=_Listed).technician_id): msgspec.json.decode(
            each, type=RealPosition
        )
        for each in msgspec.json.decode(answer, type=_Page).results
    }
