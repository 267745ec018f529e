"""When each point of a track is sent, which time it carries, and under which id."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import NAMESPACE_URL, UUID, uuid5

from demo.fix import Fix
from demo.track import Track, TrackPoint

# A recording that was paused over lunch should not pause the replay as long.
LONGEST_PAUSE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A fix, and how many seconds after the start of the replay it is due."""

    due: float
    fix: Fix


def schedule(
    track: Track, *, email: str, speed: float | None, now: datetime | None = None
) -> tuple[Scheduled, ...]:
    """Plan a replay; ``speed`` None is "as fast as possible".

    By default fixes carry the file's own times. With ``now`` they carry the moments at which they
    are sent (at ``speed`` None: the file's times, shifted so that the last one is ``now``).

    Ids are made of the file's content, the technician and the point's place in the file, so that
    a second replay stores nothing twice; with ``now`` also of that moment, as it is a new drive.
    """
    offsets = [0.0] * len(track.points) if speed is None else _offsets(track.points, speed)
    name = f"sera:gpx:{track.digest}:{email}" + (f":{now.isoformat()}" if now else "")
    namespace = uuid5(NAMESPACE_URL, name)
    return tuple(
        Scheduled(due, _fix(point, namespace, _time(track, point, due, speed, now)))
        for point, due in zip(track.points, offsets, strict=True)
    )


def longest_gap(fixes: Iterable[TrackPoint]) -> float:
    """Seconds of the longest pause in a recording; 0 for a single point."""
    gaps = ((b.recorded_at - a.recorded_at).total_seconds() for a, b in pairwise(fixes))
    return max(gaps, default=0.0)


def _offsets(points: tuple[TrackPoint, ...], speed: float) -> list[float]:
    offsets = [0.0]
    for before, after in pairwise(points):
        gap = (after.recorded_at - before.recorded_at).total_seconds() / speed
        offsets.append(offsets[-1] + min(gap, LONGEST_PAUSE_SECONDS))
    return offsets


def _time(
    track: Track, point: TrackPoint, due: float, speed: float | None, now: datetime | None
) -> datetime:
    if now is None:
        return point.recorded_at
    if speed is None:
        return now - (track.points[-1].recorded_at - point.recorded_at)
    return now + timedelta(seconds=due)


def _fix(point: TrackPoint, namespace: UUID, recorded_at: datetime) -> Fix:
    return Fix(
        id=uuid5(namespace, str(point.index)),
        recorded_at=recorded_at,
        lat=point.lat,
        lon=point.lon,
        speed=point.speed,
        heading=point.heading,
        altitude=point.altitude,
    )
