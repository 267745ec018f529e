"""Fewer points for a drawn line, which looks the same."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import numpy as np

# Of the sphere on which web maps are drawn (EPSG:3857), metres.
_RADIUS = 6_378_137.0
# Web maps end at 85.05°; at the pole itself the projection is infinite.
_LAST_LATITUDE = 89.9
# The map's sphere is the ellipsoid to 0.7 %.
_SPHERE = 0.993


class Drawing(msgspec.Struct, frozen=True):
    """A line as GeoJSON has it: `coordinates` are [longitude, latitude] in degrees.

    `indices` says which of the given points each is, ascending, so that times can be looked up.
    A line that crosses the 180° meridian goes on beyond 180 or -180, as map libraries expect:
    with the longitudes jumping, they would draw it around the whole earth.
    """

    coordinates: list[tuple[float, float]]
    indices: list[int]


def simplify(
    places: Sequence[tuple[float, float]], moments: Sequence[datetime], *, tolerance: float
) -> Drawing:
    """A line through some of the places, its ends among them, for what is drawn and played: whoever
    moves evenly between its points is at no moment further than `tolerance` from where they were.

    `places` are (latitude, longitude) in degrees, `moments` ascend, `tolerance` is in metres on the
    ground. The line is straight between its points as a web map draws it (Mercator). By the
    top-down time-ratio algorithm (Meratnia and de By, EDBT 2004); Douglas and Peucker's would not
    see somebody stand or turn back.
    """
    if not places:
        return Drawing([], [])
    lats, lons, x, y, enlarged = _on_map(places, tolerance)
    seconds = np.array([moment.timestamp() for moment in moments])
    kept = {0, len(lats) - 1}
    parts = [(0, len(lats) - 1)]
    while parts:
        first, last = parts.pop()
        if last - first < 2:
            continue
        between = slice(first + 1, last)
        took = max(float(seconds[last] - seconds[first]), 1e-9)
        part = (seconds[between] - seconds[first]) / took
        off = np.hypot(
            x[first] + part * (x[last] - x[first]) - x[between],
            y[first] + part * (y[last] - y[first]) - y[between],
        )
        worst = int(off.argmax())
        if off[worst] > enlarged:
            middle = first + 1 + worst
            kept.add(middle)
            parts += [(first, middle), (middle, last)]
    return _drawing(lats, lons, np.array(sorted(kept)))


def _on_map(places: Sequence[tuple[float, float]], tolerance: float) -> tuple[Any, ...]:
    """Latitudes, longitudes without a jump, x and y on the map, and the tolerance there."""
    lats, lons = np.asarray(places, dtype=float).T
    lons = np.unwrap(lons, period=360.0)
    bounded = np.radians(np.clip(lats, -_LAST_LATITUDE, _LAST_LATITUDE))
    x, y = _RADIUS * np.radians(lons), _RADIUS * np.arcsinh(np.tan(bounded))
    # The map enlarges by 1 / cos φ, least where the line is nearest to the equator.
    return lats, lons, x, y, tolerance * _SPHERE / float(np.cos(np.abs(bounded).min()))


def _drawing(lats: Any, lons: Any, indices: Any) -> Drawing:
    return Drawing(
        list(zip(lons[indices].tolist(), lats[indices].tolist(), strict=True)), indices.tolist()
    )
