"""At a job's site or not: who comes and goes, and who only drives through.

A site is a circle. Somebody arrives with two good fixes in it between which they were slow, or
with 30 s in it and no faster at the end; they leave with a minute beyond it by more than the fixes
may be wrong. In between nothing changes, so noise at the edge makes one arrival. Arrivals and
departures alternate.
"""

from __future__ import annotations

from collections.abc import Sequence

from tracking.engine.model import (
    SECOND,
    Arrived,
    Crossed,
    Departed,
    Event,
    OnSite,
    Place,
    Site,
    State,
)
from tracking.engine.motion import FAR, GAP_SECONDS, LEAST_SPREAD, LEAVE_SECONDS
from tracking.geo import closest, distance

ARRIVE_SECONDS = 30
#: A degree of latitude is longer than this everywhere, metres.
LEAST_DEGREE = 110_000
#: Who is faster than this between two fixes, m/s, drives past: 25 km/h.
SLOW = 7.0
#: What noise of fixes may look like is no speed over so many seconds.
SPEED_SECONDS = 10
#: So many fixes beyond a site are no noise, however near they are. Fewer prove it by being far.
LEAVE_FIXES = 5
#: Who was not heard of for longer, seconds, was not there all the time: a night.
NIGHT_SECONDS = 6 * 3600


def visit(
    state: State, sites: Sequence[Site], place: Place, leg: float | None, events: list[Event]
) -> None:
    """Take in a good fix; to be called after `move` and before `state.good` becomes `place`.

    `leg` is the way to it from the good one before, metres; None if it is not to be believed.
    `sites` are those that count at this moment; others in which somebody was end with the last fix
    there.
    """
    known = state.sites
    if known:
        _forget(state, sites, place, events)
    for site in sites:
        on_site = known.get(site.job)
        # Most sites are far, and this is the cheapest way to see it.
        if on_site is None and abs(site.lat - place.lat) * LEAST_DEGREE > site.radius + (leg or 0):
            continue
        away = distance(site.lat, site.lon, place.lat, place.lon)
        if on_site is not None and on_site.arrived:
            _stay(state, on_site, site, place, away, events)
        elif on_site is not None or away <= site.radius:
            _approach(state, on_site, site, place, away, events)
        elif leg is not None and state.good is not None and away <= site.radius + leg:
            _cross(state, site, state.good, place, away, events)


def _forget(state: State, sites: Sequence[Site], place: Place, events: list[Event]) -> None:
    """Leave the sites that are no more, and all after a night of silence."""
    known, last = state.sites, state.good
    if last is not None and place.at - last.at > NIGHT_SECONDS * SECOND:
        gone = list(known)
    else:
        present = {site.job for site in sites}
        gone = [job for job in known if job not in present]
    for job in gone:
        on_site = known.pop(job)
        if on_site.arrived:
            events.append(Departed(state.last_at, job, on_site.first_in, _left(on_site)))


def _left(on_site: OnSite) -> int:
    """When somebody left who was outside, or not heard of again."""
    unheard = on_site.out_since - on_site.last_in > GAP_SECONDS * SECOND
    return on_site.last_in if unheard or not on_site.out_since else on_site.out_since


def _stay(
    state: State, on_site: OnSite, site: Site, place: Place, away: float, events: list[Event]
) -> None:
    if away <= _reach(site, place):
        on_site.out_since = on_site.out_count = 0
        on_site.last_in = place.at
        return
    if not on_site.out_since:
        on_site.out_since = place.at
    on_site.out_count += 1
    if place.at - on_site.out_since < LEAVE_SECONDS * SECOND:
        return
    far = site.radius + FAR * max(place.accuracy, LEAST_SPREAD)
    if on_site.out_count < LEAVE_FIXES and away <= far:
        return
    events.append(Departed(state.last_at, site.job, on_site.first_in, _left(on_site)))
    del state.sites[site.job]


def _approach(
    state: State,
    on_site: OnSite | None,
    site: Site,
    place: Place,
    away: float,
    events: list[Event],
) -> None:
    if on_site is None:
        on_site = state.sites[site.job] = OnSite(place.at, place.at)
    if away <= site.radius:
        on_site.last_in = place.at
        if _has_arrived(on_site, site, place):
            on_site.arrived = True
            on_site.pair = None
            events.append(Arrived(state.last_at, site.job, on_site.first_in))
    elif away > _reach(site, place):
        if _moves(state):
            events.append(Crossed(state.last_at, site.job, on_site.first_in))
        del state.sites[site.job]


def _has_arrived(on_site: OnSite, site: Site, place: Place) -> bool:
    before = on_site.pair
    if before is None:
        on_site.pair = place
        return False
    seconds = (place.at - before.at) / SECOND
    way = distance(before.lat, before.lon, place.lat, place.lon)
    good = site.radius / 2
    if place.accuracy <= good:
        if before.accuracy > good:
            on_site.pair = place
        elif way + before.accuracy + place.accuracy <= SLOW * seconds:
            return True
    if seconds < SPEED_SECONDS:
        return False
    if way <= SLOW * seconds:
        return place.at - on_site.first_in >= ARRIVE_SECONDS * SECOND
    on_site.pair = place
    return False


def _cross(
    state: State, site: Site, last: Place, place: Place, away: float, events: list[Event]
) -> None:
    """Whether the way from one fix to the next, both clearly outside, led through the site."""
    took = place.at - last.at
    if took > GAP_SECONDS * SECOND or away <= _reach(site, place) or not _moves(state):
        return
    if distance(site.lat, site.lon, last.lat, last.lon) <= _reach(site, last):
        return
    part, nearest = closest(site.lat, site.lon, last.lat, last.lon, place.lat, place.lon)
    if nearest <= site.radius:
        events.append(Crossed(state.last_at, site.job, last.at + int(part * took)))


def _moves(state: State) -> bool:
    """Whether somebody drives, or may be setting out. Noise of a parked phone crosses nothing."""
    return state.drive is not None or state.outside is not None


def _reach(site: Site, place: Place) -> float:
    """How far from its middle a fix may be and still be of somebody in it, metres."""
    return site.radius + max(place.accuracy, LEAST_SPREAD)
