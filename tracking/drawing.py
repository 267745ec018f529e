"""Fewer points for a drawn line, which looks the same."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import shapely

# Of the sphere on which web maps are drawn (EPSG:3857), metres.
_RADIUS = 6_378_137.0
# MapLibre's tiles are 512 pixels wide, and one of them is the whole world at zoom 0.
_TILE_PIXELS = 512
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


def simplify(places: Sequence[tuple[float, float]], *, tolerance: float) -> Drawing:
    """A line through some of the places, its ends among them, no place further from it than this.

    `places` are (latitude, longitude) in degrees, `tolerance` in metres on the ground. The line is
    straight between its points as a web map draws it (Mercator), and simplified there by Douglas
    and Peucker's algorithm (The Canadian Cartographer 10, 1973).
    """
    if not places:
        return Drawing([], [])
    lats, lons = np.asarray(places, dtype=float).T
    lons = np.unwrap(lons, period=360.0)
    indices = np.arange(len(lats))
    if len(lats) > 2:
        bounded = np.radians(np.clip(lats, -_LAST_LATITUDE, _LAST_LATITUDE))
        x, y = _RADIUS * np.radians(lons), _RADIUS * np.arcsinh(np.tan(bounded))
        # The map enlarges by 1 / cos φ, least where the line is nearest to the equator.
        enlarged = tolerance * _SPHERE / float(np.cos(np.abs(bounded).min()))
        # The third coordinate takes no part, and tells which points were kept.
        line = shapely.linestrings(np.column_stack([x, y, indices]))
        kept = shapely.simplify(line, enlarged, preserve_topology=False)
        indices = shapely.get_coordinates(kept, include_z=True)[:, 2].astype(int)
    return Drawing(
        list(zip(lons[indices].tolist(), lats[indices].tolist(), strict=True)), indices.tolist()
    )


def metres_of_pixel(*, zoom: float, lat: float) -> float:
    """How much ground one pixel of a MapLibre map shows at this zoom and latitude."""
    around = 2 * np.pi * _RADIUS * np.cos(np.radians(lat))
    return float(around / (_TILE_PIXELS * 2.0**zoom))
