"""Standing and moving: where trips begin and end.

Somebody stands at an anchor. Two fixes away from it that agree for a minute, or are far, begin a
trip there; `stop_seconds` around one place end it with the first fix there. So noise around a
parked van adds nothing, whatever it adds up to, and what a fix proves later than it happened is
told for when it happened.
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
from tracking.geo import between, distance

#: Positions of a phone that lies still differ by more than what it claims, metres.
LEAST_SPREAD = 25.0
#: Fixes that go to and fro by more than this, against the straight way, went nowhere but straight.
MOST_BENT = 1.5
LEAVE_SECONDS = 60
#: This many times the anchor's reach is no noise of a good fix.
FAR = 3.0
#: The anchor follows who moved a little: each fix counts for at least one of so many…
MOST_COUNTED = 50
#: …but not who walks: all fixes of so many seconds count for no more than one.
MEMORY_SECONDS = 600
#: Nothing was heard for longer, seconds: it is not known what was between, so the trip had ended.
GAP_SECONDS = 1800
#: Who was not heard of on leaving set out no earlier than at this speed, m/s.
SLOW_DRIVE = 10.0
#: A fix that is less accurate, metres, may be of somebody who drives through a tunnel.
POOREST = 500.0


def move(
    state: State, thresholds: Thresholds, place: Place, leg: float | None, events: list[Event]
) -> None:
    """Take in a good fix; to be called before `state.good` becomes `place`.

    `leg` is the way to it from the good one before, metres; None if it is not to be believed.
    """
    last, anchor = state.good, state.anchor
    if last is None or anchor is None:
        state.anchor = Anchor(place.at, place.lat, place.lon)
        return
    if place.at - last.at > GAP_SECONDS * SECOND:
        anchor = _break_off(state, thresholds, anchor, last, place, events)
    if state.drive is not None:
        _drive(state, state.drive, thresholds, anchor, last, place, leg, events)
    elif leg is not None:
        _stand(state, thresholds, anchor, last, place, leg, events)
    else:
        # They are elsewhere, and did not drive there.
        state.anchor = Anchor(place.at, place.lat, place.lon)
        state.outside = None


def wait(state: State, thresholds: Thresholds, place: Place, events: list[Event]) -> None:
    """Take in a fix that is too poor to say where somebody is, but not that they still stand."""
    anchor, outside = state.anchor, state.outside
    if state.drive is None or anchor is None or place.accuracy > POOREST:
        return
    if outside is not None:
        # That is where they were seen last.
        anchor = _come(outside)
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
    events: list[Event],
) -> None:
    away = distance(anchor.lat, anchor.lon, place.lat, place.lon)
    reach = _reach(thresholds, place)
    if away <= reach:
        _gather(anchor, last, place)
        state.outside = None
        return
    outside = state.outside
    if outside is None:
        state.outside = Outside(place, away, last, away, 1, place)
        return
    outside.count += 1
    way, outside.legs = _count(outside.counted or last, outside.legs, last, place, leg)
    if way:
        outside.distance += way
        outside.counted = place
    if place.at - outside.first.at < LEAVE_SECONDS * SECOND and away <= FAR * reach:
        return
    drive = _begin(state, anchor, outside)
    first = outside.first
    near = thresholds.stop_radius + place.accuracy
    if distance(first.lat, first.lon, place.lat, place.lon) <= near:
        # The first one was where they went already.
        state.anchor = Anchor(
            first.at, first.lat, first.lon, outside.first_distance, 2, counted=first
        )
        _gather(state.anchor, last, place)
        _end_if_long(state, drive, thresholds, state.anchor, place, events)
    else:
        state.anchor = _here(drive, place)


def _begin(state: State, anchor: Anchor, outside: Outside) -> Drive:
    """Begin a trip at the anchor, with the fixes away from it."""
    origin = outside.origin
    # Nobody set out before they were last seen there, nor needed longer than at a slow drive.
    seen = distance(anchor.lat, anchor.lon, origin.lat, origin.lon)
    started_at = max(
        anchor.since,
        origin.at - int(seen / SLOW_DRIVE * SECOND),
        outside.first.at - int(outside.first_distance / SLOW_DRIVE * SECOND),
    )
    state.drive = Drive(
        started_at,
        anchor.lat,
        anchor.lon,
        outside.distance,
        1 + outside.count,
        outside.counted,
        outside.legs,
    )
    state.outside = None
    return state.drive


def _drive(
    state: State,
    drive: Drive,
    thresholds: Thresholds,
    anchor: Anchor,
    last: Place,
    place: Place,
    leg: float | None,
    events: list[Event],
) -> None:
    drive.fixes += 1
    if leg is None:
        drive.counted, drive.legs = place, 0.0
    else:
        way, drive.legs = _count(drive.counted or last, drive.legs, last, place, leg)
        if way:
            drive.distance += way
            drive.counted = place
    reach = thresholds.stop_radius + place.accuracy
    away = distance(anchor.lat, anchor.lon, place.lat, place.lon)
    if away <= reach:
        _gather(anchor, last, place)
        state.outside = None
        # Who crawls on is always at the edge of where they were.
        if away <= thresholds.stop_radius / 2 + max(place.accuracy, LEAST_SPREAD):
            _end_if_long(state, drive, thresholds, anchor, place, events)
        return
    outside = state.outside
    if outside is None and away <= FAR * reach:
        # One fix astray does not make them leave.
        state.outside = Outside(
            place, drive.distance, place, drive.distance, drive.fixes, drive.counted
        )
        return
    state.outside = None
    state.anchor = _here(drive, place)
    if outside is not None:
        first = outside.first
        if distance(first.lat, first.lon, place.lat, place.lon) <= reach:
            # They came to this place with the fix before.
            state.anchor = _come(outside)
            _gather(state.anchor, last, place)
            _end_if_long(state, drive, thresholds, state.anchor, place, events)


def _here(drive: Drive, place: Place) -> Anchor:
    return Anchor(
        place.at, place.lat, place.lon, drive.distance, drive.fixes, counted=drive.counted
    )


def _come(outside: Outside) -> Anchor:
    """Where they are if they came with the fix that was away from the anchor of their drive."""
    first = outside.first
    return Anchor(
        first.at,
        first.lat,
        first.lon,
        outside.first_distance,
        outside.count,
        counted=outside.counted,
    )


def _count(
    counted: Place, legs: float, last: Place, place: Place, leg: float
) -> tuple[float, float]:
    """Metres to add to a trip, and those that wait since `counted`.

    They wait while they may be noise. Then fixes that made way count with all their bends; of those
    that went to and fro, as in a jam, the way that they made.
    """
    legs += leg
    way = leg if counted.at == last.at else distance(counted.lat, counted.lon, place.lat, place.lon)
    if way <= max(place.accuracy, LEAST_SPREAD):
        return 0.0, legs
    return (legs if legs <= MOST_BENT * way else way), 0.0


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
    _end(state, drive, anchor, events)


def _end(state: State, drive: Drive, anchor: Anchor, events: list[Event]) -> None:
    """End a trip where one stands since."""
    counted = anchor.counted
    rest = 0.0
    if counted is not None:
        rest = distance(counted.lat, counted.lon, anchor.lat, anchor.lon)
    events.append(
        TripEnded(
            state.last_at,
            drive.started_at,
            anchor.since,
            drive.lat,
            drive.lon,
            anchor.lat,
            anchor.lon,
            anchor.distance + rest,
            anchor.fixes,
        )
    )
    state.anchor = anchor
    state.drive = state.outside = None


def _break_off(
    state: State,
    thresholds: Thresholds,
    anchor: Anchor,
    last: Place,
    place: Place,
    events: list[Event],
) -> Anchor:
    """Nothing was heard between: end a trip with the last that was. Returns the anchor then."""
    drive, outside = state.drive, state.outside
    if drive is None and outside is not None:
        far = FAR * _reach(thresholds, last)
        if distance(anchor.lat, anchor.lon, last.lat, last.lon) > far and distance(
            anchor.lat, anchor.lon, place.lat, place.lon
        ) > _reach(thresholds, place):
            # They were on their way then, and did not come back.
            drive = _begin(state, anchor, outside)
        state.outside = None
    if drive is None:
        return anchor
    ended = _here(drive, last)
    _end(state, drive, ended, events)
    return ended


def _reach(thresholds: Thresholds, place: Place) -> float:
    """How far from the anchor a fix may be and still be of somebody who stands there, metres."""
    return thresholds.stop_radius + max(place.accuracy, LEAST_SPREAD)


def _gather(anchor: Anchor, last: Place, place: Place) -> None:
    """Let a fix count for where the anchor is; `last` is the one before."""
    anchor.count += 1
    weight = 1 / anchor.count
    if anchor.count > MOST_COUNTED:
        seconds = (place.at - last.at) / SECOND
        weight = max(weight, min(1 / MOST_COUNTED, seconds / MEMORY_SECONDS))
    anchor.lat, anchor.lon = between(anchor.lat, anchor.lon, place.lat, place.lon, weight)
