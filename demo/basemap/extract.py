"""One town's OpenStreetMap extract as plain tables of shapely geometries and tags."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyrosm
from shapely import make_valid
from shapely.geometry import LineString, Polygon, box
from shapely.geometry.base import BaseGeometry
from shapely.ops import linemerge, polygonize, unary_union

Filter = dict[str, bool | list[str]]

# The tags that layers and network ask for; all others stay in the extract.
TAGS = [
    *("name", "highway", "oneway", "junction", "maxspeed", "ref", "tunnel", "bridge", "layer"),
    *("indoor", "level", "location", "footway", "access", "area", "building", "landuse"),
    *("natural", "leisure", "amenity", "railway", "waterway", "man_made", "place"),
]
# Coastline ends are stretched by this many degrees (about 2 km) so that they cut the crop box.
COAST_REACH = 0.02


@dataclass(frozen=True, slots=True)
class Element:
    """One OpenStreetMap element: its geometry in degrees (x = longitude) and its tags."""

    geometry: BaseGeometry
    tags: dict[str, str]

    def get(self, key: str) -> str:
        """The tag's value, or the empty string."""
        return self.tags.get(key, "")


class Extract:
    """An ``.osm.pbf`` file cropped to ``bbox`` (west, south, east, north)."""

    def __init__(self, path: Path, bbox: tuple[float, float, float, float]) -> None:
        self.crop: Polygon = box(*bbox)
        self._osm = pyrosm.OSM(str(path))

    def elements(self, wanted: Filter, *, crop: bool = True) -> Iterator[Element]:
        """Elements with one of the wanted tags; ``crop`` clips them to the crop box."""
        table = self._osm.get_data_by_custom_criteria(custom_filter=wanted, tags_as_columns=TAGS)
        if table is None:
            return
        columns = [tag for tag in TAGS if tag in table.columns]
        for row in table[[*columns, "geometry"]].to_dict("records"):
            geometry = make_valid(row["geometry"])
            if crop:
                geometry = geometry.intersection(self.crop)
            if geometry.is_empty:
                continue
            tags = {tag: row[tag] for tag in columns if isinstance(row[tag], str)}
            yield Element(geometry, tags)

    def sea(self) -> BaseGeometry:
        """Water beyond the coastline, as OpenStreetMap defines it: on the right of its direction.

        Lines that leave the extract are stretched to the east or west edge that they end near.
        """
        coast = [e.geometry for e in self.elements({"natural": ["coastline"]}, crop=False)]
        if not coast:
            return Polygon()
        merged = linemerge(unary_union(coast))
        lines = [self._stretched(line) for line in getattr(merged, "geoms", [merged])]
        cut = unary_union([self.crop.exterior, *lines])
        pieces = polygonize(cut.intersection(self.crop))
        return unary_union([piece for piece in pieces if _is_sea(piece, lines)])

    def _stretched(self, line: LineString) -> LineString:
        points = list(line.coords)
        middle = self.crop.centroid.x
        first, last = points[0], points[-1]
        reach = [COAST_REACH if end[0] > middle else -COAST_REACH for end in (first, last)]
        return LineString([(first[0] + reach[0], first[1]), *points, (last[0] + reach[1], last[1])])


def _is_sea(piece: Polygon, lines: list[LineString]) -> bool:
    """Whether the nearest coastline runs with this piece of land or water on its right side."""
    inside = piece.representative_point()
    line = min(lines, key=inside.distance)
    at = line.project(inside)
    step = line.length * 1e-6
    before, after = line.interpolate(max(at - step, 0)), line.interpolate(at + step)
    cross = (after.x - before.x) * (inside.y - before.y) - (after.y - before.y) * (
        inside.x - before.x
    )
    return bool(cross < 0)
