"""Read a recorded GPX track, and say precisely what is wrong with one that cannot be replayed."""

import hashlib
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import gpxpy
import gpxpy.gpx

from demo.streets import bearing, distance

# A day at one point a second is about 10 MiB; far beyond that somebody chose the wrong file.
MAX_BYTES = 64 * 1024 * 1024
# Between points further apart in time, the direction of the straight line says little.
DERIVE_WITHIN_SECONDS = 60.0
# Faster than any van (m/s): two points that imply it tell of an error, not of a speed.
PLAUSIBLE_SPEED = 70.0

_ENCODING = re.compile(rb"\s*<\?xml[^>]*\bencoding=[\"']([\w.-]+)", re.ASCII)
_ROOT = re.compile(r"<(?:\w+:)?gpx[\s>]")


class TrackError(Exception):
    """The file cannot be replayed; the text says where and why."""


@dataclass(frozen=True, slots=True)
class TrackPoint:
    """One point of the file. ``index`` counts from 0 over all tracks and segments."""

    index: int
    recorded_at: datetime
    lat: float
    lon: float
    altitude: float | None
    speed: float | None
    heading: float | None


@dataclass(frozen=True, slots=True)
class Track:
    """All points of a file, ordered by time; ``digest`` identifies the file's content."""

    points: tuple[TrackPoint, ...]
    digest: str

    @property
    def duration(self) -> timedelta:
        """From the first point to the last."""
        return self.points[-1].recorded_at - self.points[0].recorded_at


def read_track(path: Path, *, interval: float | None = None) -> Track:
    """Read a GPX file.

    Times without a zone are UTC, as GPX defines. ``interval`` (seconds) gives times to a file
    that has none at all, starting at the epoch; it is an error for a file that has some.
    Where the file states no speed and course, they are those of the straight line from the point
    before. Raises TrackError.
    """
    content = _content(path)
    declared = _ENCODING.match(content)
    encoding = declared[1].decode() if declared else "utf-8-sig"
    try:
        text = content.decode(encoding)
        if not _ROOT.search(text):
            raise TrackError(f"{path} is not a GPX file: it has no <gpx> element")
        gpx = gpxpy.parse(text)
    except (UnicodeDecodeError, LookupError) as error:
        raise TrackError(f"{path} is not a GPX file: not {encoding} text ({error})") from None
    except (gpxpy.gpx.GPXException, ValueError) as error:
        raise TrackError(f"{path} is not a GPX file: {error}") from None
    located = [
        (point, f"track {track_no}, segment {segment_no}, point {point_no}")
        for track_no, track in enumerate(gpx.tracks, 1)
        for segment_no, segment in enumerate(track.segments, 1)
        for point_no, point in enumerate(segment.points, 1)
    ]
    if not located:
        others = len(gpx.waypoints) + sum(len(route.points) for route in gpx.routes)
        hint = f"; its {others} waypoints and route points are no recording" if others else ""
        raise TrackError(f"{path} has no track points{hint}")
    times = _times([(point.time, where) for point, where in located], path, interval)
    points: list[TrackPoint] = []
    segment = ""
    for index, ((point, where), recorded_at) in enumerate(zip(located, times, strict=True)):
        before = points[-1] if points and where.rpartition(",")[0] == segment else None
        segment = where.rpartition(",")[0]
        if not (math.isfinite(point.latitude) and math.isfinite(point.longitude)):
            raise TrackError(f"{path}: {where} has latitude or longitude that is not a number")
        points.append(_point(index, point, recorded_at, before))
    ordered = sorted(points, key=lambda point: (point.recorded_at, point.index))
    return Track(tuple(ordered), hashlib.sha256(content).hexdigest())


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise TrackError(f"{path} has {size:,} bytes; a track may have {MAX_BYTES:,}")
        content = path.read_bytes()
    except OSError as error:
        raise TrackError(f"{path}: {error.strerror}") from None
    if not content.strip():
        raise TrackError(f"{path} is empty")
    return content


def _times(
    times: list[tuple[datetime | None, str]], path: Path, interval: float | None
) -> list[datetime]:
    missing = [where for time, where in times if time is None]
    if interval is None:
        if missing:
            more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
            raise TrackError(
                f"{path}: {missing[0]} has no readable time{more}; a file without any times "
                "can be replayed with --interval SECONDS"
            )
        return [_utc(time) for time, _ in times if time is not None]
    if len(missing) < len(times):
        stated = next(where for time, where in times if time is not None)
        raise TrackError(f"{path}: {stated} has a time, so --interval would replace real times")
    return [datetime.fromtimestamp(index * interval, UTC) for index in range(len(times))]


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _point(
    index: int, point: gpxpy.gpx.GPXTrackPoint, recorded_at: datetime, before: TrackPoint | None
) -> TrackPoint:
    # Devices write -1 or NaN for "unknown".
    speed = _at_least_zero(point.speed)
    heading = _at_least_zero(point.course)
    altitude = point.elevation
    if altitude is not None and not math.isfinite(altitude):
        altitude = None
    if before is not None:
        here, there = (before.lat, before.lon), (point.latitude, point.longitude)
        seconds = (recorded_at - before.recorded_at).total_seconds()
        metres = distance(here, there)
        if 0 < seconds <= DERIVE_WITHIN_SECONDS and metres / seconds <= PLAUSIBLE_SPEED:
            speed = round(metres / seconds, 2) if speed is None else speed
            if heading is None and metres > 0:
                heading = round(bearing(here, there), 1)
    return TrackPoint(index, recorded_at, point.latitude, point.longitude, altitude, speed, heading)


def _at_least_zero(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) and value >= 0 else None
