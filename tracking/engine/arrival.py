"""At a job's site or not: who comes and goes, and who only drives through.

A site is a circle. Somebody arrives with two good fixes in it between which they were slow, or
with 30 s in it; they leave with a minute beyond it by more than the fix may be wrong. In between
nothing changes, so noise at the edge makes one arrival. Arrivals and departures alternate.
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
from tracking.engine.motion import GAP_SECONDS, LEAST_SPREAD, LEAVE_SECONDS
from tracking.geo import closest, distance

ARRIVE_SECONDS = 30
#: A degree of latitude is longer than this everywhere, metres.
LEAST_DEGREE = 110_000
#: Who is faster than this between two fixes, m/s, drives past: 25 km/h.
SLOW = 7.0


def visit(
    state: State, sites: Sequence[Site], place: Place, leg: float | None, events: list[Event]
) -> None:
    """Take in a good fix; to be called before `state.good` becomes `place`.

    `leg` is the way to it from the good one before, metres; None if it is not to be believed.
    `sites` are those that count at this moment; others in which somebody was end with the last fix
    there.
    """
    known = state.sites
    if known:
        present = {site.job for site in sites}
        for job in [job for job in known if job not in present]:
            left = known.pop(job)
            if left.arrived:
                events.append(Departed(state.last_at, job, left.first_in, left.last_in))
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


def _stay(
    state: State, on_site: OnSite, site: Site, place: Place, away: float, events: list[Event]
) -> None:
    if away <= _reach(site, place):
        on_site.out_since = 0
        on_site.last_in = place.at
        return
    if not on_site.out_since:
        on_site.out_since = place.at
    if place.at - on_site.out_since < LEAVE_SECONDS * SECOND:
        return
    unheard = on_site.out_since - on_site.last_in > GAP_SECONDS * SECOND
    at = on_site.last_in if unheard else on_site.out_since
    events.append(Departed(state.last_at, site.job, on_site.first_in, at))
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
        arrived = place.at - on_site.first_in >= ARRIVE_SECONDS * SECOND
        if place.accuracy <= site.radius / 2:
            arrived = arrived or _was_slow(on_site.pair, place)
            on_site.pair = place
        if arrived:
            on_site.arrived = True
            on_site.pair = None
            events.append(Arrived(state.last_at, site.job, on_site.first_in))
    elif away > _reach(site, place):
        events.append(Crossed(state.last_at, site.job, on_site.first_in))
        del state.sites[site.job]


def _was_slow(before: Place | None, place: Place) -> bool:
    if before is None:
        return False
    way = distance(before.lat, before.lon, place.lat, place.lon)
    return way <= SLOW * (place.at - before.at) / SECOND


def _cross(
    state: State, site: Site, last: Place, place: Place, away: float, events: list[Event]
) -> None:
    """Whether the way from one fix to the next, both clearly outside, led through the site."""
    took = place.at - last.at
    if took > GAP_SECONDS * SECOND or away <= _reach(site, place):
        return
    if distance(site.lat, site.lon, last.lat, last.lon) <= _reach(site, last):
        return
    part, nearest = closest(site.lat, site.lon, last.lat, last.lon, place.lat, place.lon)
    if nearest <= site.radius:
        events.append(Crossed(state.last_at, site.job, last.at + int(part * took)))


def _reach(site: Site, place: Place) -> float:
    """How far from its middle a fix may be and still be of somebody in it, metres."""
    return site.radius + max(place.accuracy, LEAST_SPREAD)
