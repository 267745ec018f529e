"""Synthetic technicians: where each is, what a phone reports of it, and parts of their map."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from cable import State

_WEST, _WIDTH = -74.3, 0.6
_SOUTH, _HEIGHT = 40.5, 0.4
#: Vertical parts of the map; together they show every technician once.
VIEWPORTS = 10
# Irrational steps spread any number of technicians evenly, without order.
_LON_STEP, _LAT_STEP = 0.618033988749895, 0.754877666246693
# About 12 m at each report, eastwards: some leave one viewport for the next.
_LON_PER_REPORT = 0.00014
_START = datetime(1970, 1, 1, tzinfo=UTC)


class Position(msgspec.Struct, frozen=True):
    """A technician's latest reading, with the fields of Sera's own and its version.

    `version` is when it was handed to the cable: microseconds of the monotonic clock, which all
    processes of the machine share.
    """

    lat: float
    lon: float
    accuracy: float
    speed: float
    heading: float
    battery: float
    recorded_at: str
    received_at: str
    version: int


class Viewport(msgspec.Struct, frozen=True):
    """One of the vertical parts of the map; a filter of the cable's conflated streams."""

    number: int

    def __call__(self, position: Mapping[str, Any]) -> bool:
        return self.shows(position["lon"])

    def shows(self, lon: float) -> bool:
        return min(int((lon - _WEST) / _WIDTH * VIEWPORTS), VIEWPORTS - 1) == self.number


def monotonic_us() -> int:
    return time.monotonic_ns() // 1000


def position(technician: int, report: int, version: int) -> Position:
    """What technician 0, 1, … tells in its report 0, 1, …"""
    east = (technician * _LON_STEP + report * _LON_PER_REPORT / _WIDTH) % 1
    received = _START + timedelta(microseconds=time.time_ns() // 1000)
    recorded = received - timedelta(milliseconds=120)
    return Position(
        lat=round(_SOUTH + technician * _LAT_STEP % 1 * _HEIGHT, 6),
        lon=round(_WEST + east * _WIDTH, 6),
        accuracy=round(3 + (technician * 7 + report) % 90 / 10, 1),
        speed=12.1,
        heading=90.0,
        battery=round(0.2 + technician % 80 / 100, 2),
        recorded_at=recorded.isoformat(),
        received_at=received.isoformat(),
        version=version,
    )


async def first_positions(technicians: int) -> Mapping[str, State]:
    """The map's state as a database would have it before the first report."""
    return {str(number): State(0, position(number, 0, 0)) for number in range(technicians)}
