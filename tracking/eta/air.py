"""How long a drive takes when nobody knows the roads: from the distance by air and the hour.

All of it rises with the distance, so that who is further away by air is never estimated nearer.
"""

from __future__ import annotations

from datetime import datetime

from tracking.eta.legs import Leg, Place
from tracking.geo import distance

# Roads are about 1.2 times as long as the line by air in cities (Newell, Traffic Flow on
# Transportation Networks, 1980), and short drives wind more than long ones (Giacomin and Levinson,
# Environment and Planning B 42, 2015). Here: 1.4 for what is near, falling towards 1.25.
_DETOUR = 1.25
_NEAR_DETOUR = 0.15
_NEAR_METERS = 4_000.0

# Metres of the way up to which one drives so fast (km/h, without traffic): streets with lights and
# turns, through streets, arterial roads, motorways. Round numbers of ours, no survey's.
_SPEEDS = ((2_000.0, 20.0), (10_000.0, 40.0), (40_000.0, 65.0), (float("inf"), 90.0))
# To leave and to find a place for the van, however short the way.
_STOPPING_SECONDS = 60.0

# Times the driving time, by the hour of the company's day. At the peaks a drive in a large city
# takes some 1.3 times as long as on empty roads (Texas A&M Transportation Institute, Urban Mobility
# Report, "travel time index"). The other hours are round numbers of ours.
_NIGHT, _DAY = 0.9, 1.1
_WORKDAY = (
    *(_NIGHT,) * 6,  # 0:00
    *(1.0, 1.3, 1.3),  # 6:00
    *(_DAY,) * 6,  # 9:00
    *(1.2, 1.35, 1.35, 1.2),  # 15:00
    *(1.0, 1.0, 1.0),  # 19:00
    *(_NIGHT,) * 2,  # 22:00
)
_WEEKEND = (*(_NIGHT,) * 9, *(1.05,) * 11, *(_NIGHT,) * 4)
_SATURDAY = 5


def by_air(source: Place, target: Place, *, local: datetime) -> Leg:
    """The drive that sets out at `local`, a moment of the company's own day."""
    return _leg(source, target, hour_factor(local))


def table_by_air(sources: list[Place], targets: list[Place], *, local: datetime) -> list[list[Leg]]:
    """`by_air` from each source to each target."""
    factor = hour_factor(local)
    return [[_leg(source, target, factor) for target in targets] for source in sources]


def hour_factor(local: datetime) -> float:
    """How many times as long a drive takes at this hour as on empty roads."""
    return (_WORKDAY if local.weekday() < _SATURDAY else _WEEKEND)[local.hour]


def _leg(source: Place, target: Place, factor: float) -> Leg:
    air = distance(*source, *target)
    meters = _DETOUR * air + _NEAR_DETOUR * min(air, _NEAR_METERS)
    seconds, begin = 0.0, 0.0
    for end, speed in _SPEEDS:
        seconds += (min(meters, end) - begin) * 3.6 / speed
        if meters <= end:
            break
        begin = end
    return Leg(_STOPPING_SECONDS + seconds * factor, meters, "estimate")
