"""Tracks, told as what somebody did; and what the engine makes of them."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable, Sequence
from math import asin, atan2, cos, degrees, radians, sin
from uuid import UUID

from tracking.engine import (
    Arrived,
    Crossed,
    Departed,
    Engine,
    Event,
    Point,
    Site,
    State,
    Thresholds,
    TripEnded,
)

SECOND = 1_000_000
START = 1_700_000_000
#: Metres.
EARTH = 6_371_008.8
ALWAYS = 2**62


def go(lat: float, lon: float, bearing: float, metres: float) -> tuple[float, float]:
    """Where one gets to on a sphere; bearing in degrees from north."""
    angle, course, phi = metres / EARTH, radians(bearing), radians(lat)
    to = asin(max(-1.0, min(1.0, sin(phi) * cos(angle) + cos(phi) * sin(angle) * cos(course))))
    east = atan2(sin(course) * sin(angle) * cos(phi), cos(angle) - sin(phi) * sin(to))
    return degrees(to), (lon + degrees(east) + 180.0) % 360.0 - 180.0


def site(
    lat: float,
    lon: float,
    *,
    job: int = 1,
    radius: float = 100.0,
    since: float | None = None,
    until: float | None = None,
) -> Site:
    """`since` and `until` are seconds after the track's start; None: always."""
    return Site(
        job,
        lat,
        lon,
        radius,
        0 if since is None else int((START + since) * SECOND),
        ALWAYS if until is None else int((START + until) * SECOND),
    )


class Track:
    """Somebody with a phone, at `now` seconds since the start; each step adds fixes and time.

    `sigma` is of the noise to the north and to the east, metres, drawn anew for each fix;
    `accuracy` is what the phone claims.
    """

    def __init__(
        self,
        *,
        lat: float = 60.0,
        lon: float = 25.0,
        seed: int = 1,
        every: float = 10.0,
        sigma: float = 0.0,
        accuracy: float = 5.0,
    ) -> None:
        self.lat, self.lon, self.now = lat, lon, 0.0
        self.every, self.sigma, self.accuracy = every, sigma, accuracy
        self.points: list[Point] = []
        self._random = random.Random(seed)

    def fix(
        self,
        *,
        accuracy: float | None = None,
        sigma: float | None = None,
        mock: bool = False,
        ahead: bool = False,
    ) -> Track:
        """One fix, here and now."""
        sigma = self.sigma if sigma is None else sigma
        lat, lon = self.lat, self.lon
        if sigma:
            lat, lon = go(lat, lon, 0.0, self._random.gauss(0, sigma))
            lat, lon = go(lat, lon, 90.0, self._random.gauss(0, sigma))
        self.points.append(
            Point(
                int((START + self.now) * SECOND),
                UUID(int=len(self.points) + 1),
                lat,
                lon,
                self.accuracy if accuracy is None else accuracy,
                mock,
                ahead,
            )
        )
        return self

    def stay(
        self,
        seconds: float,
        *,
        every: float | None = None,
        sigma: float | None = None,
        accuracy: float | None = None,
    ) -> Track:
        """Stand for a while; the last fix is when it is over."""
        return self.drive(0.0, seconds=seconds, every=every, sigma=sigma, accuracy=accuracy)

    def drive(
        self,
        kmh: float,
        *,
        seconds: float,
        bearing: float = 0.0,
        every: float | None = None,
        sigma: float | None = None,
        accuracy: float | None = None,
    ) -> Track:
        """Move; a fix each `every` seconds, none at the beginning."""
        every = every or self.every
        steps = round(seconds / every)
        for _ in range(steps):
            self.wait(every)
            self.jump(kmh / 3.6 * every, bearing)
            self.fix(sigma=sigma, accuracy=accuracy)
        return self

    def wait(self, seconds: float) -> Track:
        """Time passes, and the phone says nothing."""
        self.now += seconds
        return self

    def jump(self, metres: float, bearing: float = 0.0) -> Track:
        """Be elsewhere, in no time."""
        if metres:
            self.lat, self.lon = go(self.lat, self.lon, bearing, metres)
        return self


@dataclasses.dataclass
class Told:
    """What the engine said; moments are seconds since the track's start."""

    engine: Engine

    @property
    def events(self) -> list[Event]:
        return self.engine.events

    @property
    def trips(self) -> list[TripEnded]:
        return [event for event in self.events if isinstance(event, TripEnded)]

    @property
    def visits(self) -> list[tuple[str, int, float]]:
        """What happened at sites: what, job, when."""
        return [
            (type(event).__name__, event.job, since(event.at))
            for event in self.events
            if isinstance(event, Arrived | Departed | Crossed)
        ]

    def count(self, kind: type[Event]) -> int:
        return sum(isinstance(event, kind) for event in self.events)

    @property
    def verdicts(self) -> dict[int, str | None]:
        """The final verdict of each fix, by its number: 1 is the track's first."""
        return {verdict.id.int: verdict.reason for verdict in self.engine.judged}

    @property
    def flagged(self) -> dict[int, str]:
        return {number: reason for number, reason in self.verdicts.items() if reason is not None}

    @property
    def times(self) -> list[tuple[float, float]]:
        """When trips began and ended."""
        return [(since(trip.started_at), since(trip.ended_at)) for trip in self.trips]

    @property
    def metres(self) -> float:
        drive = self.engine.state.drive
        return sum(trip.distance for trip in self.trips) + (drive.distance if drive else 0.0)


def since(at: int) -> float:
    return round(at / SECOND - START, 3)


def tell(
    points: Track | Iterable[Point],
    sites: Sequence[Site] = (),
    *,
    thresholds: Thresholds | None = None,
    state: State | None = None,
) -> Told:
    """Feed all to an engine, in the order of the phone's clock."""
    if isinstance(points, Track):
        points = points.points
    engine = Engine(state or State(), thresholds or Thresholds(), sites)
    for point in sorted(points, key=lambda point: (point.at, point.id)):
        engine.take(point)
    return Told(engine)
