"""Standing and moving: where trips begin and end.

Somebody stands at an anchor. Two fixes away from it that agree for a minute, or are far, begin a
trip with the last fix at the anchor; `stop_seconds` around one place end it with the first fix
there. So noise around a parked van adds nothing, whatever it adds up to, and what a fix proves
later than it happened is told for when it happened.
"""

from __future__ import annotations

from tracking.engine.model import (
    SECOND,
    Anchor,
    Drive,
    Event,
    Outside,
    Place,
    State,
    Thresholds,
    TripEnded,
)
from tracking.geo import distance

#: Positions of a phone that lies still differ by more than what it claims, metres.
LEAST_SPREAD = 25.0
LEAVE_SECONDS = 60
#: This many times the anchor's reach is no noise of a good fix.
FAR = 3.0
#: Of a mean, so that it cannot be dragged along for ever.
MOST_COUNTED = 50
#: Nothing was heard for longer, seconds: it is not known what was between, so the trip had ended.
GAP_SECONDS = 1800
#: Who was not heard of on leaving set out no earlier than at this speed, m/s.
SLOW_DRIVE = 10.0


def move(
    state: State, thresholds: Thresholds, place: Place, leg: float, events: list[Event]
) -> None:
    """Take in a good fix; to be called before `state.good` becomes `place`.

    `leg` is the way to it from the good one before, metres; 0 if it is not to be believed.
    """
    last, anchor = state.good, state.anchor
    if last is None or anchor is None:
        state.anchor = Anchor(place.at, place.lat, place.lon)
        return
    if state.drive is not None and place.at - last.at > GAP_SECONDS * SECOND:
        anchor = _end_at(state, state.drive, last, events)
    if state.drive is None:
        _stand(state, thresholds, anchor, last, place, leg)
    else:
        _drive(state, state.drive, thresholds, anchor, place, leg, events)


def wait(state: State, thresholds: Thresholds, place: Place, events: list[Event]) -> None:
    """Take in a fix that is too poor to say where somebody is, but not that they still stand."""
    anchor = state.anchor
    if state.drive is None or anchor is None:
        return
    reach = thresholds.stop_radius + place.accuracy
    if distance(anchor.lat, anchor.lon, place.lat, place.lon) <= reach:
        _end_if_long(state, state.drive, thresholds, anchor, place, events)


def _stand(
    state: State,
    thresholds: Thresholds,
    anchor: Anchor,
    last: Place,
    place: Place,
    leg: float,
) -> None:
    away = distance(anchor.lat, anchor.lon, place.lat, place.lon)
    reach = thresholds.stop_radius + max(place.accuracy, LEAST_SPREAD)
    if away <= reach:
        _gather(anchor, place)
        state.outside = None
        return
    outside = state.outside
    if outside is None:
        state.outside = Outside(place, leg, last, leg)
        return
    outside.count += 1
    outside.distance += leg
    if place.at - outside.first.at < LEAVE_SECONDS * SECOND and away <= FAR * reach:
        return
    origin = outside.origin
    # Nobody set out before they were last seen, nor needed longer than at a slow drive.
    earliest = outside.first.at - int(outside.first_distance / SLOW_DRIVE * SECOND)
    state.drive = Drive(
        max(origin.at, earliest), origin.lat, origin.lon, outside.distance, 1 + outside.count
    )
    state.anchor = Anchor(place.at, place.lat, place.lon, state.drive.distance, state.drive.fixes)
    state.outside = None


def _drive(
    state: State,
    drive: Drive,
    thresholds: Thresholds,
    anchor: Anchor,
    place: Place,
    leg: float,
    events: list[Event],
) -> None:
    drive.distance += leg
    drive.fixes += 1
    reach = thresholds.stop_radius + place.accuracy
    away = distance(anchor.lat, anchor.lon, place.lat, place.lon)
    if away <= reach:
        _gather(anchor, place)
        state.outside = None
        _end_if_long(state, drive, thresholds, anchor, place, events)
        return
    outside = state.outside
    if outside is None and away <= FAR * reach:
        # One fix astray does not make them leave.
        state.outside = Outside(place, drive.distance, place, drive.distance, drive.fixes)
        return
    state.outside = None
    state.anchor = Anchor(place.at, place.lat, place.lon, drive.distance, drive.fixes)
    if outside is not None:
        first = outside.first
        if distance(first.lat, first.lon, place.lat, place.lon) <= reach:
            # They came to this place with the fix before.
            state.anchor = Anchor(
                first.at, first.lat, first.lon, outside.first_distance, outside.count
            )
            _gather(state.anchor, place)
            _end_if_long(state, drive, thresholds, state.anchor, place, events)


def _end_if_long(
    state: State,
    drive: Drive,
    thresholds: Thresholds,
    anchor: Anchor,
    place: Place,
    events: list[Event],
) -> None:
    if place.at - anchor.since < thresholds.stop_seconds * SECOND:
        return
    events.append(
        TripEnded(
            state.last_at,
            drive.started_at,
            anchor.since,
            drive.lat,
            drive.lon,
            anchor.lat,
            anchor.lon,
            anchor.distance,
            anchor.fixes,
        )
    )
    state.drive = state.outside = None


def _end_at(state: State, drive: Drive, last: Place, events: list[Event]) -> Anchor:
    """End a trip with the last that was heard of it, where one may be standing since."""
    events.append(
        TripEnded(
            state.last_at,
            drive.started_at,
            last.at,
            drive.lat,
            drive.lon,
            last.lat,
            last.lon,
            drive.distance,
            drive.fixes,
        )
    )
    state.drive = state.outside = None
    state.anchor = Anchor(last.at, last.lat, last.lon)
    return state.anchor


def _gather(anchor: Anchor, place: Place) -> None:
    """Let a fix count for where the anchor is."""
    if anchor.count < MOST_COUNTED:
        anchor.count += 1
    east = place.lon - anchor.lon
    if east > 180.0:
        east -= 360.0
    elif east < -180.0:
        east += 360.0
    anchor.lat += (place.lat - anchor.lat) / anchor.count
    lon = anchor.lon + east / anchor.count
    anchor.lon = lon if -180.0 <= lon <= 180.0 else (lon + 180.0) % 360.0 - 180.0
