"""The base map's two MapLibre styles: the same layers, a light and a dark palette.

No ``glyphs`` URL: MapLibre then draws text from the page's own fonts. It reads the weight from the
first name of ``text-font``, which is why each stack starts with one that names only a weight.
"""

import json
from pathlib import Path

from demo.basemap.palettes import DARK, LIGHT, Palette

Json = dict[str, object]
Stops = tuple[tuple[float, float], ...]

# Where the files are served; root-relative, which MapLibre resolves against the page.
BASE_URL = "/static/basemap"
ATTRIBUTION = (
    '<a href="https://www.openstreetmap.org/copyright" target="_blank" rel="noopener">'
    "© OpenStreetMap contributors</a>"
)
FALLBACK = ["Inter Variable", "system-ui", "Helvetica Neue", "Arial", "sans-serif"]
REGULAR = ["Map Regular", *FALLBACK]
MEDIUM = ["Map Medium", *FALLBACK]
SEMIBOLD = ["Map Semibold", *FALLBACK]
ITALIC = ["Map Italic", *FALLBACK]

# Width in pixels by zoom for each class of street, from the quietest to the busiest.
WIDTHS: dict[str, Stops] = {
    "service": ((14, 0.4), (16, 2.5), (18, 8), (20, 24)),
    "minor": ((12, 0.4), (14, 2), (16, 6.5), (18, 18), (20, 56)),
    "tertiary": ((11, 0.5), (14, 3), (16, 8.5), (18, 22), (20, 66)),
    "secondary": ((10, 0.6), (14, 3.8), (16, 10), (18, 25), (20, 74)),
    "primary": ((9, 0.8), (14, 4.6), (16, 11), (18, 28), (20, 80)),
    "motorway_link": ((10, 0.6), (14, 3), (16, 7), (18, 17), (20, 50)),
    "motorway": ((8, 1), (14, 4.6), (16, 12), (18, 28), (20, 80)),
}
CASING = 1.1  # pixels on each side
GROUND_MINZOOM = {"parking": 15, "pitch": 13, "pier": 13, "square": 14, "school": 13}


def _zoomed(stops: Stops, extra: float = 0) -> list[object]:
    flat = [number for zoom, width in stops for number in (zoom, round(width + extra, 2))]
    return ["interpolate", ["exponential", 1.6], ["zoom"], *flat]


def _kind(*kinds: str) -> list[object]:
    return ["match", ["get", "kind"], list(kinds), True, False]


def _ground(palette: Palette) -> list[Json]:
    layers: list[Json] = [
        {"id": "land", "type": "background", "paint": {"background-color": palette.land}}
    ]
    for kind, color in palette.ground.items():
        layer: Json = {
            "id": kind,
            "type": "fill",
            "source": "ground",
            "filter": _kind(kind),
            "paint": {"fill-color": color},
        }
        if kind in GROUND_MINZOOM:
            layer["minzoom"] = GROUND_MINZOOM[kind]
        layers.append(layer)
    layers.append(
        {
            "id": "stream",
            "type": "line",
            "source": "ground",
            "minzoom": 13,
            "filter": _kind("stream"),
            "layout": {"line-cap": "round", "line-join": "round"},
            "paint": {
                "line-color": palette.ground["water"],
                "line-width": _zoomed(((13, 0.8), (18, 5))),
            },
        }
    )
    return layers


def _line(
    name: str, kind: str, color: str, width: Stops, *, dashes: list[float] | None = None
) -> Json:
    paint: Json = {"line-color": color, "line-width": _zoomed(width)}
    if dashes:
        paint["line-dasharray"] = dashes
    return {
        "id": name,
        "type": "line",
        "source": "streets",
        "minzoom": width[0][0],
        "filter": _kind(kind),
        "layout": {"line-join": "round"},
        "paint": paint,
    }


def _paths(palette: Palette) -> list[Json]:
    path: Stops = ((14.5, 0.5), (16, 1.2), (18, 2.5), (20, 6))
    return [
        _line("pedestrian", "pedestrian", palette.path_area, WIDTHS["service"]),
        _line("track", "track", palette.path, path, dashes=[4, 1.5]),
        _line("path", "path", palette.path, path, dashes=[2.5, 1.5]),
    ]


def _rails(palette: Palette) -> list[Json]:
    return [
        _line("tram", "tram", palette.rail, ((14.5, 0.4), (18, 1.2))),
        _line("rail", "rail", palette.rail, ((12, 0.7), (15, 1.2), (18, 2.2))),
        _line("rail-ties", "rail", palette.rail, ((15, 3), (18, 7)), dashes=[0.25, 2]),
    ]


def _streets(palette: Palette) -> list[Json]:
    """All casings, then all fills, so that crossings stay open; then bridges once more on top."""
    layers: list[Json] = []
    for on_bridge in (False, True):
        for part in ("casing", "fill"):
            for kind, stops in WIDTHS.items():
                layers.append(_street(palette, kind, stops, part, on_bridge=on_bridge))
    return layers


def _street(palette: Palette, kind: str, stops: Stops, part: str, *, on_bridge: bool) -> Json:
    casing = part == "casing"
    colors = palette.casings if casing else palette.streets
    cap = "butt" if on_bridge and casing else "round"
    prefix = "bridge-" if on_bridge else ""
    minzoom = max(stops[0][0], 13 if casing and kind in ("minor", "tertiary") else 0)
    has_bridge: list[object] = ["has", "bridge"]
    return {
        "id": f"{prefix}{kind}-{part}",
        "type": "line",
        "source": "streets",
        "minzoom": minzoom,
        "filter": ["all", _kind(kind), has_bridge if on_bridge else ["!", has_bridge]],
        "layout": {"line-cap": cap, "line-join": "round"},
        "paint": {
            "line-color": colors.get(kind, colors["minor"]),
            "line-width": _zoomed(stops, 2 * CASING if casing else 0),
        },
    }


def _buildings(palette: Palette) -> list[Json]:
    return [
        {
            "id": "building",
            "type": "fill",
            "source": "buildings",
            "minzoom": 13.5,
            "paint": {
                "fill-color": palette.building,
                "fill-outline-color": palette.building_edge,
                "fill-opacity": ["interpolate", ["linear"], ["zoom"], 13.5, 0, 14.5, 1],
            },
        }
    ]


def _edge(palette: Palette) -> Json:
    return {
        "id": "edge",
        "type": "fill",
        "source": "ground",
        "filter": _kind("edge"),
        "paint": {
            "fill-color": palette.land,
            "fill-opacity": ["get", "opacity"],
            "fill-antialias": False,
        },
    }


def _street_names(palette: Palette) -> list[Json]:
    def named(name: str, kinds: tuple[str, ...], minzoom: float, sizes: Stops) -> Json:
        return {
            "id": name,
            "type": "symbol",
            "source": "streets",
            "minzoom": minzoom,
            "filter": ["all", ["has", "name"], _kind(*kinds)],
            "layout": {
                "symbol-placement": "line",
                "symbol-spacing": 320,
                "text-field": ["get", "name"],
                "text-font": MEDIUM,
                "text-size": _zoomed(sizes),
                "text-max-angle": 35,
                "text-padding": 4,
                "text-letter-spacing": 0.01,
            },
            "paint": {
                "text-color": palette.street_text,
                "text-halo-color": palette.halo,
                "text-halo-width": 1.4,
            },
        }

    return [
        {
            "id": "oneway",
            "type": "symbol",
            "source": "streets",
            "minzoom": 16.5,
            "filter": ["has", "oneway"],
            "layout": {
                "symbol-placement": "line",
                "symbol-spacing": 140,
                "text-field": "→",
                "text-font": REGULAR,
                "text-size": 13,
                "text-keep-upright": False,
                "text-padding": 20,
            },
            "paint": {"text-color": palette.arrow},
        },
        named("path-name", ("path", "pedestrian", "track"), 17, ((17, 10), (20, 13))),
        named("minor-name", ("minor", "service"), 14.2, ((14.2, 9.5), (16, 11), (18, 13))),
        named(
            *("major-name", ("tertiary", "secondary", "primary", "motorway")),
            *(13, ((13, 9.5), (15, 11), (18, 14))),
        ),
    ]


def _labels(palette: Palette) -> list[Json]:
    def label(kind: str, zooms: tuple[float, float], size: Stops, font: list[str]) -> Json:
        spaced = kind in ("suburb", "neighbourhood")
        layout: Json = {
            "text-field": ["get", "name"],
            "text-font": font,
            "text-size": _zoomed(size),
            "text-max-width": 8,
            "text-padding": 6,
        }
        if spaced:
            layout |= {"text-transform": "uppercase", "text-letter-spacing": 0.12}
        return {
            "id": f"{kind}-label",
            "type": "symbol",
            "source": "labels",
            "minzoom": zooms[0],
            "maxzoom": zooms[1],
            "filter": _kind(kind),
            "layout": layout,
            "paint": {
                "text-color": palette.labels[kind],
                "text-halo-color": palette.halo,
                "text-halo-width": 1.4,
            },
        }

    return [
        label("park", (15.5, 24), ((15.5, 10), (19, 13)), REGULAR),
        label("square", (16, 24), ((16, 10), (19, 13)), REGULAR),
        label("water", (14, 24), ((14, 10.5), (19, 14)), ITALIC),
        label("station", (15.5, 24), ((15.5, 10.5), (19, 13)), MEDIUM),
        label("neighbourhood", (13.5, 16.5), ((13.5, 9.5), (16, 12)), MEDIUM),
        label("suburb", (12, 16.5), ((12, 10), (16, 13)), SEMIBOLD),
        label("city", (6, 13.5), ((6, 12), (13, 18)), SEMIBOLD),
    ]


def style(palette: Palette) -> Json:
    """A MapLibre style document (style specification version 8) in this palette."""
    return {
        "version": 8,
        "name": f"Sera {palette.name}",
        "sources": {
            name: {
                "type": "geojson",
                "data": f"{BASE_URL}/{name}.geojson",
                "attribution": ATTRIBUTION,
            }
            for name in ("ground", "buildings", "streets", "labels")
        },
        "layers": [
            *_ground(palette),
            *_paths(palette),
            *_buildings(palette),
            *_streets(palette),
            *_rails(palette),
            _edge(palette),
            *_street_names(palette),
            *_labels(palette),
        ],
    }


def write_styles(directory: Path) -> list[Path]:
    """Write ``style.json`` and ``style-dark.json``; returns their paths."""
    written = []
    for file_name, palette in (("style.json", LIGHT), ("style-dark.json", DARK)):
        path = directory / file_name
        text = json.dumps(style(palette), ensure_ascii=False, indent=1)
        path.write_text(text + "\n", encoding="utf-8")
        written.append(path)
    return written
