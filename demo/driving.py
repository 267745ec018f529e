"""How a van moves along a route: speed limits, gentle acceleration, slower around corners."""

import math
from dataclasses import dataclass
from itertools import pairwise

from demo.streets import Point, Route, bearing, distance

ACCELERATION = 1.6  # m/s², a loaded van
BRAKING = 2.0  # m/s², comfortable
SHARPEST_TURN_SPEED = 3.5  # m/s, what is left of the speed in a hairpin
CRAWL = 0.8  # m/s, so that a start from standstill leaves it
STEP = 0.25  # seconds of the motion's own clock


@dataclass(frozen=True, slots=True)
class Motion:
    """Where the van is; ``speed`` in metres per second, ``heading`` in degrees from north."""

    point: Point
    speed: float
    heading: float


class Drive:
    """One drive along a route, from standstill to standstill. Pure: time is what is passed in."""

    def __init__(self, route: Route) -> None:
        self._points = route.points
        self._limits = route.limits
        self._lengths = [distance(one, other) for one, other in pairwise(route.points)]
        self._corner_speeds = self._plan()
        self._leg = 0
        self._along = 0.0
        self._heading = bearing(*route.points[:2]) if self._lengths else 0.0
        self._speed = 0.0
        self._spare = 0.0

    @property
    def done(self) -> bool:
        """Whether the van stands at the route's end."""
        return self._leg >= len(self._lengths)

    @property
    def motion(self) -> Motion:
        """The present position, speed and heading."""
        if self.done:
            return Motion(self._points[-1], 0.0, self._heading)
        start, end = self._points[self._leg], self._points[self._leg + 1]
        share = self._along / self._lengths[self._leg] if self._lengths[self._leg] else 1.0
        point = (start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share)
        return Motion(point, self._speed, self._heading)

    def advance(self, seconds: float) -> None:
        """Drive on for this long; what is left after the route's end is spent standing."""
        self._spare += seconds
        while self._spare >= STEP:
            self._spare -= STEP
            self._step()

    def _step(self) -> None:
        if self.done:
            self._speed = 0.0
            return
        before = self._speed
        target = self._allowed_speed()
        self._speed = max(min(target, before + ACCELERATION * STEP), CRAWL)
        self._along += (before + self._speed) / 2 * STEP
        for length in self._lengths[self._leg :]:
            if self._along < length:
                self._heading = bearing(self._points[self._leg], self._points[self._leg + 1])
                return
            self._along -= length
            self._leg += 1
        self._speed = 0.0

    def _allowed_speed(self) -> float:
        left = self._lengths[self._leg] - self._along
        corner = self._corner_speeds[self._leg + 1]
        return min(self._limits[self._leg], math.sqrt(corner**2 + 2 * BRAKING * max(left, 0)))

    def _plan(self) -> list[float]:
        """The speed allowed at each point, so that the van can brake in time for what follows."""
        speeds = [0.0] * len(self._points)
        for index in range(1, len(self._points) - 1):
            before, here, after = self._points[index - 1 : index + 2]
            turn = abs((bearing(here, after) - bearing(before, here) + 180) % 360 - 180)
            limit = min(self._limits[index - 1], self._limits[index])
            speeds[index] = max(limit * (1 - turn / 110), min(SHARPEST_TURN_SPEED, limit))
        for index in range(len(speeds) - 2, -1, -1):
            reachable = math.sqrt(speeds[index + 1] ** 2 + 2 * BRAKING * self._lengths[index])
            speeds[index] = min(speeds[index], reachable)
        return speeds
