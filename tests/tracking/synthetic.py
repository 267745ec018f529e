"""Made-up days whose stops are known: straight drives with turns between places to stand at.

Only arithmetic and a seeded generator, so that every run and every program gets the same fixes.
"""

from __future__ import annotations

import math
import random
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 11, 2, 7, 0, tzinfo=UTC)
#: Degrees; a metre is this many degrees there, on a sphere, which is good enough for made-up ways.
LAT, LON = 60.5, 26.9
_NORTH = 1 / 111_195.0
_EAST = _NORTH / math.cos(math.radians(LAT))

_NAMESPACE = uuid.UUID("0f6a2d6e-93c8-4f0e-8f5b-5f1f7f7f2a10")


@dataclass(frozen=True)
class Day:
    """`legs` are (seconds, metres per second, degrees turned before); at 0 m/s one stands.

    A fix each `interval` seconds, each wrong by `noise` metres (one sigma, north and east), of
    which the phone says `accuracy` metres.
    """

    name: str
    legs: tuple[tuple[int, float, float], ...]
    interval: int
    noise: float
    accuracy: float

    def fixes(self) -> list[dict[str, Any]]:
        """As `POST /api/v1/fixes/` takes them."""
        rng = random.Random(self.name)
        north = east = heading = 0.0
        second, fixes = 0, []
        for seconds, speed, turn in self.legs:
            heading += math.radians(turn)
            for _ in range(seconds):
                if second % self.interval == 0:
                    fixes.append(
                        {
                            "id": str(uuid.uuid5(_NAMESPACE, f"{self.name}#{second}")),
                            "recorded_at": (START + timedelta(seconds=second)).isoformat(),
                            "lat": LAT + (north + rng.gauss(0, self.noise)) * _NORTH,
                            "lon": LON + (east + rng.gauss(0, self.noise)) * _EAST,
                            "accuracy": self.accuracy,
                        }
                    )
                north += speed * math.cos(heading)
                east += speed * math.sin(heading)
                second += 1
        return fixes

    def stops(self) -> list[tuple[datetime, datetime]]:
        """When one stood for at least three minutes: the truth."""
        found, second = [], 0
        for seconds, speed, _ in self.legs:
            if speed == 0 and seconds >= 180:
                begin = START + timedelta(seconds=second)
                found.append((begin, begin + timedelta(seconds=seconds)))
            second += seconds
        return found


DAYS = (
    # Streets: a halt of 90 s at lights is no stop, one of 4 min is.
    Day(
        "city",
        (
            (300, 0, 0),
            (120, 11, 0),
            (90, 0, 0),
            (180, 12, 90),
            (240, 0, 0),
            (200, 9, 60),
            (1500, 0, 0),
            (150, 13, -120),
            (90, 10, 80),
            (600, 0, 0),
            (240, 11, 30),
            (420, 0, 0),
        ),
        5,
        5,
        5,
    ),
    # A phone that saves its battery, between houses.
    Day(
        "coarse",
        (
            (600, 0, 0),
            (600, 10, 0),
            (900, 0, 0),
            (300, 12, 90),
            (300, 8, 90),
            (1800, 0, 0),
            (420, 11, 45),
            (600, 0, 0),
        ),
        30,
        15,
        30,
    ),
    # Fast roads, one fix a second.
    Day(
        "motorway",
        (
            (240, 0, 0),
            (600, 31, 0),
            (300, 0, 0),
            (60, 14, 90),
            (400, 33, 20),
            (360, 0, 0),
        ),
        1,
        4,
        4,
    ),
)
