"""The base map's features: which OpenStreetMap tags are drawn, and as what ``kind``."""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from shapely import set_precision
from shapely.geometry import MultiLineString, MultiPolygon, box, mapping
from shapely.geometry.base import BaseGeometry
from shapely.ops import linemerge, unary_union

from demo.basemap.extract import Element, Extract, Filter

# Six decimals are 11 cm: at five, walls of houses are visibly skewed at the closest zoom.
GRID = 1e-6
# Douglas-Peucker tolerances in degrees of latitude; 1e-5 is about a metre.
GROUND_TOLERANCE = 1e-5
BUILDING_TOLERANCE = 3e-6
STREET_TOLERANCE = 5e-6
# Sheds below this (square degrees, about 12 m²) only add noise at every zoom we draw.
MIN_BUILDING = 2e-9
# The border fades over 12 frames of about 8 m each.
EDGE_STEPS = 12
EDGE_STEP = 7e-5
EDGE_OVERHANG = 2e-3

GROUND: tuple[tuple[str, Filter], ...] = (
    ("residential", {"landuse": ["residential"]}),
    ("commercial", {"landuse": ["commercial", "retail", "industrial", "civil", "railway"]}),
    ("farmland", {"landuse": ["farmland", "farmyard", "meadow", "greenhouse_horticulture"]}),
    ("wood", {"landuse": ["forest"], "natural": ["wood", "scrub", "heath"]}),
    ("grass", {"landuse": ["grass", "cemetery", "village_green", "recreation_ground"]}),
    ("park", {"leisure": ["park", "garden", "playground", "dog_park"]}),
    ("pitch", {"leisure": ["pitch"]}),
    ("school", {"amenity": ["school", "kindergarten", "university", "hospital"]}),
    ("parking", {"amenity": ["parking"]}),
    ("wetland", {"natural": ["wetland"]}),
    ("water", {"natural": ["water"], "landuse": ["basin", "pond"], "waterway": ["riverbank"]}),
    ("pier", {"man_made": ["pier", "breakwater"], "railway": ["platform"]}),
    ("square", {"place": ["square"], "highway": ["pedestrian"]}),
)

STREETS: dict[str, str] = {
    "motorway": "motorway",
    "motorway_link": "motorway_link",
    "trunk": "motorway",
    "trunk_link": "motorway_link",
    "primary": "primary",
    "primary_link": "primary",
    "secondary": "secondary",
    "secondary_link": "secondary",
    "tertiary": "tertiary",
    "tertiary_link": "tertiary",
    "residential": "minor",
    "unclassified": "minor",
    "living_street": "minor",
    "service": "service",
    "track": "track",
    "pedestrian": "pedestrian",
    "cycleway": "path",
    "footway": "path",
    "path": "path",
    "steps": "path",
}
RAILS: dict[str, str] = {"rail": "rail", "tram": "tram"}
PLACES: dict[str, str] = {
    "city": "city",
    "town": "city",
    "suburb": "suburb",
    "neighbourhood": "neighbourhood",
    "hamlet": "neighbourhood",
}


@dataclass(frozen=True, slots=True)
class Feature:
    """One GeoJSON feature, before it is written; ``properties`` without empty values."""

    geometry: BaseGeometry
    properties: dict[str, str | float]

    def as_geojson(self) -> dict[str, object]:
        """The feature as a plain object with rounded coordinates."""
        shape = mapping(self.geometry)
        return {
            "type": "Feature",
            "properties": self.properties,
            "geometry": {"type": shape["type"], "coordinates": _rounded(shape["coordinates"])},
        }


def _rounded(value: object) -> object:
    if isinstance(value, tuple | list):
        return [_rounded(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value


def underground(element: Element) -> bool:
    """Whether people at street level cannot see it: tunnels, cellars, indoor passages."""
    layer, level = element.get("layer"), element.get("level")
    return (
        element.get("tunnel") == "yes"
        or element.get("indoor") == "yes"
        or element.get("location") == "underground"
        or layer.startswith("-")
        or level.startswith("-")
    )


def _polygons(geometry: BaseGeometry) -> MultiPolygon:
    parts = getattr(geometry, "geoms", [geometry])
    return MultiPolygon([part for part in parts if part.geom_type == "Polygon"])


def _lines(geometry: BaseGeometry) -> list[BaseGeometry]:
    parts = getattr(geometry, "geoms", [geometry])
    return [part for part in parts if part.geom_type == "LineString"]


def ground(extract: Extract) -> Iterator[Feature]:
    """Land use, green and water as one multipolygon per kind, so that overlaps do not darken."""
    for kind, wanted in GROUND:
        shapes = [
            element.geometry
            for element in extract.elements(wanted)
            if element.geometry.geom_type.endswith("Polygon") and not underground(element)
        ]
        if kind == "water":
            shapes.append(extract.sea())
        merged = unary_union([_polygons(shape) for shape in shapes])
        simple = set_precision(merged.simplify(GROUND_TOLERANCE), GRID)
        yield from (Feature(part, {"kind": kind}) for part in _polygons(simple).geoms)
    for element in extract.elements({"waterway": ["stream", "river", "canal"]}):
        for line in _lines(element.geometry):
            if not underground(element):
                simple = set_precision(line.simplify(GROUND_TOLERANCE), GRID)
                yield Feature(simple, {"kind": "stream"})
    yield from edge(extract)


def buildings(extract: Extract) -> Iterator[Feature]:
    """One feature per building."""
    for element in extract.elements({"building": True}):
        if underground(element) or element.get("building") == "roof":
            continue
        simple = set_precision(element.geometry.simplify(BUILDING_TOLERANCE), GRID)
        yield from (
            Feature(part, {}) for part in _polygons(simple).geoms if part.area >= MIN_BUILDING
        )


def streets(extract: Extract) -> Iterator[Feature]:
    """Streets, paths and rails, joined along equal properties so that names are placed once."""
    joined: dict[tuple[tuple[str, str | float], ...], list[BaseGeometry]] = defaultdict(list)
    for element in extract.elements({"highway": list(STREETS)}):
        # Pavements and crossings run along a street that is drawn already.
        if underground(element) or element.get("footway") in ("sidewalk", "crossing"):
            continue
        kind = STREETS[element.get("highway")]
        joined[_street(element, kind)] += _lines(element.geometry)
    for element in extract.elements({"railway": list(RAILS)}):
        if not underground(element):
            joined[("kind", RAILS[element.get("railway")]),] += _lines(element.geometry)
    for properties, lines in joined.items():
        merged = linemerge(MultiLineString(lines))
        simple = set_precision(merged.simplify(STREET_TOLERANCE), GRID)
        yield from (Feature(line, dict(properties)) for line in _lines(simple))


def _street(element: Element, kind: str) -> tuple[tuple[str, str | float], ...]:
    properties: list[tuple[str, str | float]] = [("kind", kind)]
    if element.get("name"):
        properties.append(("name", element.get("name")))
    if element.get("ref") and kind != "path":
        properties.append(("ref", element.get("ref")))
    if element.get("bridge") == "yes":
        properties.append(("bridge", 1))
    if element.get("oneway") == "yes" and kind not in ("path", "pedestrian"):
        properties.append(("oneway", 1))
    if element.get("highway") == "steps":
        properties.append(("steps", 1))
    return tuple(properties)


def labels(extract: Extract) -> Iterator[Feature]:
    """Names of places, waters, parks and squares as points."""
    for element in extract.elements({"place": list(PLACES)}):
        kind = PLACES[element.get("place")]
        yield Feature(element.geometry.representative_point(), _label(element, kind))
    named: tuple[tuple[str, Filter], ...] = (
        ("water", {"natural": ["water", "bay", "strait"]}),
        ("park", {"leisure": ["park", "garden"], "landuse": ["cemetery"]}),
        ("square", {"place": ["square"]}),
        ("station", {"railway": ["station"]}),
    )
    seen: set[tuple[str, str]] = set()
    for kind, wanted in named:
        for element in extract.elements(wanted):
            name = element.get("name")
            if name and (kind, name) not in seen and not underground(element):
                seen.add((kind, name))
                yield Feature(element.geometry.representative_point(), _label(element, kind))


def edge(extract: Extract) -> Iterator[Feature]:
    """Frames that fade the map out at its border, where streets would end as if cut by a knife."""
    # Streets are wider than their line: the first frame also covers what sticks out of the crop.
    outer = extract.crop.buffer(EDGE_OVERHANG, join_style="mitre")
    border = set_precision(outer.difference(extract.crop), GRID)
    yield Feature(border, {"kind": "edge", "opacity": 1})
    outer = extract.crop
    for step in range(EDGE_STEPS):
        west, south, east, north = outer.bounds
        stretch = 1 / math.cos(math.radians(south))
        inner = box(
            *(west + EDGE_STEP * stretch, south + EDGE_STEP),
            *(east - EDGE_STEP * stretch, north - EDGE_STEP),
        )
        frame = set_precision(outer.difference(inner), GRID)
        yield Feature(frame, {"kind": "edge", "opacity": round(1 - step / EDGE_STEPS, 2)})
        outer = inner


def _label(element: Element, kind: str) -> dict[str, str | float]:
    return {"kind": kind, "name": element.get("name")}
