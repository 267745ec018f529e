"""Distances on the earth: metres, degrees (WGS 84), bearings in degrees clockwise from north.

Longitudes may be on either side of the 180° meridian. No function raises for a place on the earth.
"""

from __future__ import annotations

from math import asin, atan2, cos, degrees, hypot, radians, sin, sqrt

# WGS 84 (NIMA TR8350.2): semi-major axis in metres, first eccentricity squared.
_A = 6_378_137.0
_E2 = 6.694_379_990_14e-3
# IUGG mean radius in metres: of a sphere, for what is far.
_MEAN_RADIUS = 6_371_008.8
# Within these bounds the ellipsoid is as good as its tangent plane at the middle latitude.
_FLAT_DEGREES = 1.0
_FLAT_LATITUDE = 85.0


def distance(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Metres between two places.

    Up to a degree apart and their middle below 85° of latitude by the ellipsoid's radii of
    curvature there (Snyder, Map Projections, 1987, §3), to 0.005 % of the geodesic; else by the
    haversine formula (Sinnott, Sky and Telescope 68, 1984), to 0.6 %.
    """
    north, east = lat2 - lat1, _wrapped(lon2 - lon1)
    if (
        -_FLAT_DEGREES < north < _FLAT_DEGREES
        and -_FLAT_DEGREES < east < _FLAT_DEGREES
        and -2 * _FLAT_LATITUDE < lat1 + lat2 < 2 * _FLAT_LATITUDE
    ):
        middle = radians((lat1 + lat2) / 2)
        sine = sin(middle)
        w2 = 1.0 - _E2 * sine * sine
        prime = _A / sqrt(w2)
        return hypot(radians(north) * prime * (1.0 - _E2) / w2, radians(east) * prime * cos(middle))
    half = (
        sin(radians(north) / 2) ** 2
        + cos(radians(lat1)) * cos(radians(lat2)) * sin(radians(east) / 2) ** 2
    )
    return 2 * _MEAN_RADIUS * asin(min(1.0, sqrt(half)))


def bearing(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """The direction in which one sets out for a place by the shortest way, 0 ≤ degrees < 360.

    On a sphere: up to 1,000 km to 0.2° of the geodesic's azimuth. 0 when the places are the same.
    """
    east = radians(lon2 - lon1)
    from_, to = radians(lat1), radians(lat2)
    y = sin(east) * cos(to)
    x = cos(from_) * sin(to) - sin(from_) * cos(to) * cos(east)
    angle = degrees(atan2(y, x)) % 360.0
    return 0.0 if angle == 360.0 else angle  # a negative that is too small for the remainder


def closest(
    lat: float, lon: float, lat1: float, lon1: float, lat2: float, lon2: float
) -> tuple[float, float]:
    """How near the straight way from one place to another comes to a third.

    Returns the part of the way at which it is nearest, 0…1, and metres: on the tangent plane at
    the third place. With all three within 10 km of each other and below 70° of latitude the metres
    are right to 0.1 % of those 10 km, within 100 km to 1 %. Never more than `offset` to either end.
    """
    x1, y1 = offset(lat, lon, lat1, lon1)
    x2, y2 = offset(lat, lon, lat2, lon2)
    dx, dy = x2 - x1, y2 - y1
    length2 = dx * dx + dy * dy
    part = 0.0 if length2 == 0.0 else min(1.0, max(0.0, -(x1 * dx + y1 * dy) / length2))
    return part, hypot(x1 + part * dx, y1 + part * dy)


def offset(lat: float, lon: float, lat1: float, lon1: float) -> tuple[float, float]:
    """Metres east and north from one place to another on the plane that touches the first."""
    east = _wrapped(lon1 - lon)
    sine = sin(radians(lat))
    w2 = 1.0 - _E2 * sine * sine
    prime = _A / sqrt(w2)
    return (
        radians(east) * prime * cos(radians(lat)),
        radians(lat1 - lat) * prime * (1.0 - _E2) / w2,
    )


def between(lat1: float, lon1: float, lat2: float, lon2: float, part: float) -> tuple[float, float]:
    """The place at a part (0…1) of the short straight way from one place to another.

    Straight in degrees. The longitude is from -180 to 180, on either side of the meridian.
    """
    east = _wrapped(lon2 - lon1)
    return lat1 + part * (lat2 - lat1), _wrapped(lon1 + part * east)


def _wrapped(degrees_east: float) -> float:
    """The same longitude, or difference of two, from -180 to 180; it is off by one turn at most."""
    if degrees_east > 180.0:
        return degrees_east - 360.0
    return degrees_east + 360.0 if degrees_east < -180.0 else degrees_east
