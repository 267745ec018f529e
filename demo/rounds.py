"""What a demo technician does all day: drive, work, lose signal, come back. Pure and seeded."""

import math
import random
from dataclasses import dataclass

from demo.driving import Drive
from demo.streets import Point, Streets, moved

MOVING_INTERVAL = 2.0  # seconds between fixes while driving
STANDING_INTERVAL = 30.0  # half of the age at which the map calls a position delayed
WORK_SECONDS = (70.0, 200.0)
GPS_SIGMA = 2.5  # metres; a phone behind a windscreen
GPS_MEMORY = 0.9  # share of the error that stays from one fix to the next: errors drift
BATTERY_PER_SECOND = 1 / (9 * 3600)
CHARGE_PER_SECOND = 1 / (3 * 3600)


@dataclass(frozen=True, slots=True)
class Habits:
    """How often (seconds between) and how long a technician has no signal."""

    connected: tuple[float, float]
    without_signal: tuple[float, float]


USUAL = Habits(connected=(200, 600), without_signal=(20, 70))
# Longer than the 300 s after which the map shows a position as stale.
FAR_AWAY = Habits(connected=(240, 900), without_signal=(380, 480))


@dataclass(frozen=True, slots=True)
class Stop:
    """Where to go next; ``key`` tells one stop from another, ``label`` is for people."""

    key: str
    label: str
    point: Point


@dataclass(frozen=True, slots=True)
class Reading:
    """What the phone measures now, in the units of a fix."""

    lat: float
    lon: float
    accuracy: float
    speed: float
    heading: float | None
    battery: float
    charging: bool
    activity: str


class Rounds:
    """One technician. The caller passes the time, and a next stop whenever ``idle`` is true."""

    def __init__(
        self, *, streets: Streets, start: int, rng: random.Random, habits: Habits = USUAL
    ) -> None:
        self._streets = streets
        self._rng = rng
        self._habits = habits
        self._node = start
        self._drive: Drive | None = None
        self._stop: Stop | None = None
        self._work_left = 0.0
        self._signal_left = rng.uniform(*habits.connected)
        self.has_signal = True
        self._north = self._east = 0.0
        self._battery = rng.uniform(0.55, 0.95)

    @property
    def idle(self) -> bool:
        """Whether the work is done and nothing is planned."""
        return self._drive is None and self._work_left <= 0

    @property
    def fix_interval(self) -> float:
        """Seconds between two fixes in the present state."""
        return STANDING_INTERVAL if self._drive is None else MOVING_INTERVAL

    def go_to(self, stop: Stop) -> str:
        """Set out for a stop; returns what to tell the reader."""
        goal = self._streets.nearest(stop.point)
        self._stop = stop
        self._drive = Drive(self._streets.route(self._node, goal))
        self._node = goal
        return f"on the way to {stop.label}"

    def tick(self, seconds: float) -> list[str]:
        """Let time pass; returns the events of note that happened."""
        events = self._tick_signal(seconds)
        if self._drive is not None:
            self._drive.advance(seconds)
            self._battery = min(1.0, self._battery + CHARGE_PER_SECOND * seconds)
            if self._drive.done:
                self._drive = None
                self._work_left = self._rng.uniform(*WORK_SECONDS)
                events.append(f"arrived at {self._stop.label if self._stop else 'the stop'}")
        else:
            self._work_left -= seconds
            self._battery = max(0.05, self._battery - BATTERY_PER_SECOND * seconds)
        return events

    def read(self) -> Reading:
        """Measure: the true position plus an error that drifts, as a phone's does."""
        moving = self._drive is not None
        fresh = GPS_SIGMA * math.sqrt(1 - GPS_MEMORY**2)
        self._north = self._north * GPS_MEMORY + self._rng.gauss(0, fresh)
        self._east = self._east * GPS_MEMORY + self._rng.gauss(0, fresh)
        if self._drive is None:
            point, speed, heading = self._streets.nodes[self._node], 0.0, None
        else:
            motion = self._drive.motion
            point, speed, heading = motion.point, motion.speed, motion.heading
        lat, lon = moved(point, self._north, self._east)
        return Reading(
            lat=round(lat, 6),
            lon=round(lon, 6),
            accuracy=round(self._rng.uniform(3.5, 9.0), 1),
            speed=round(speed, 2),
            heading=None if heading is None else round(heading, 1),
            battery=round(self._battery, 3),
            charging=moving,
            activity="in_vehicle" if moving else "still",
        )

    def _tick_signal(self, seconds: float) -> list[str]:
        self._signal_left -= seconds
        if self._signal_left > 0:
            return []
        self.has_signal = not self.has_signal
        span = self._habits.connected if self.has_signal else self._habits.without_signal
        self._signal_left = self._rng.uniform(*span)
        return ["has signal again" if self.has_signal else "lost the signal"]
