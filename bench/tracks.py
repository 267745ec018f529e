"""Technicians that drive and stop, and what their phones upload of it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from datetime import UTC, datetime

SPEED = 12.0  # m/s, in town without traffic
DRIVE_SECONDS, STAND_SECONDS = 720, 240
_LAP_SECONDS = DRIVE_SECONDS + STAND_SECONDS
# One drive is once around a circle, so that every stop is at the same place.
RADIUS = SPEED * DRIVE_SECONDS / math.tau
_METRES_PER_DEGREE = 111_195.0
#: Where the first company is; others and their technicians stand around it, degrees.
_LAT, _LON = 40.5, -74.3
_APART = 0.03
_COLUMNS = 20
#: No circle is wider to either side, degrees of longitude.
_REACH = 0.018
#: A phone reports once a second; one that has caught up with the clock, this often at most.
STEP_SECONDS, SHORTEST_STEP = 1.0, 0.02
#: What is uploaded begins so long before the run: phones that were without signal.
BEHIND_SECONDS = 6 * 3600.0


class Track:
    """One technician: drives round a circle and then stands at its eastmost point, over and over.

    `moment` is of the newest fix, seconds of UNIX time.
    """

    def __init__(self, company: int, technician: int, *, starts_at: float) -> None:
        row, column = divmod(technician, _COLUMNS)
        self._lat = _LAT + company + row * _APART
        self._lon = _LON + company + column * _APART
        # Nobody stands when all others do.
        self._offset = technician * 37 % _LAP_SECONDS
        self._east = math.cos(math.radians(self._lat)) * _METRES_PER_DEGREE
        self.moment = starts_at

    @property
    def stop(self) -> tuple[float, float]:
        """Latitude and longitude of where the technician stands."""
        return round(self._lat, 6), round(self._lon + RADIUS / self._east, 6)

    def fixes(self, count: int, now: float) -> bytes:
        """The next fixes as a JSON array, or as one object; never later than `now` by much."""
        written = ",".join(map(self._fix, _identifiers(count), self._moments(count, now)))
        return (written if count == 1 else f"[{written}]").encode()

    def _moments(self, count: int, now: float) -> Iterator[float]:
        for _ in range(count):
            behind = now - self.moment
            self.moment += min(STEP_SECONDS, max(behind, SHORTEST_STEP))
            yield self.moment

    def _fix(self, identifier: str, moment: float) -> str:
        angle, speed = self._at(moment)
        lat = self._lat + RADIUS * math.sin(angle) / _METRES_PER_DEGREE
        lon = self._lon + RADIUS * math.cos(angle) / self._east
        heading = -math.degrees(angle) % 360  # counterclockwise: at the eastmost point to the north
        at = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
        return (
            f'{{"id":"{identifier}","recorded_at":"{at}","lat":{lat:.6f},"lon":{lon:.6f},'
            f'"accuracy":5,"speed":{speed:g},"heading":{heading:.1f},"battery":0.8}}'
        )

    def _at(self, moment: float) -> tuple[float, float]:
        """The angle from the circle's centre (radians, from the east) and the speed (m/s)."""
        driven = (moment + self._offset) % _LAP_SECONDS
        if driven >= DRIVE_SECONDS:
            return 0.0, 0.0
        return driven * SPEED / RADIUS, SPEED


def longitudes(company: int, technicians: int, *, part: int, parts: int) -> tuple[float, float]:
    """The west and the east of one of several equal parts of a company's map, degrees."""
    width = (min(technicians, _COLUMNS) - 1) * _APART + 2 * _REACH
    west = _LON + company - _REACH
    return west + width * part / parts, west + width * (part + 1) / parts


def _identifiers(count: int) -> Iterator[str]:
    """Random UUIDs (RFC 9562, version 4)."""
    digits = os.urandom(16 * count).hex()
    for at in range(0, len(digits), 32):
        d = digits[at : at + 32]
        yield f"{d[:8]}-{d[8:12]}-4{d[13:16]}-a{d[17:20]}-{d[20:]}"
