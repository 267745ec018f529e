"""Build the offline base map and the demo's street network; see docs/basemap.md.

    python -m venv /tmp/basemap && /tmp/basemap/bin/pip install -r demo/basemap/requirements.txt
    /tmp/basemap/bin/python -m demo.basemap.build

The same wheel gives the same bytes, so a clean ``git status`` afterwards proves the files current.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyrosm

from demo.basemap import layers
from demo.basemap.extract import Extract
from demo.basemap.layers import Feature
from demo.basemap.network import network
from demo.basemap.style import write_styles

ROOT = Path(__file__).resolve().parents[2]
MAP_DIR = ROOT / "frontend" / "public" / "basemap"
DATA_DIR = ROOT / "demo" / "data"


@dataclass(frozen=True, slots=True)
class Town:
    """A company's town: which extract it comes from, and what of it we keep."""

    schema: str
    extract: str
    bbox: tuple[float, float, float, float]


LAYERS: dict[str, Callable[[Extract], Iterator[Feature]]] = {
    "ground": layers.ground,
    "buildings": layers.buildings,
    "streets": layers.streets,
    "labels": layers.labels,
}


def load_towns() -> list[Town]:
    """The demo's towns; the area comes from the company's own file."""
    towns = []
    for schema, extract in (("acme", "test_pbf"), ("globex", "helsinki_pbf")):
        company = json.loads((DATA_DIR / f"{schema}.json").read_text(encoding="utf-8"))
        towns.append(Town(schema, extract, tuple(company["bbox"])))
    return towns


def write_layer(path: Path, features: list[Feature]) -> None:
    """Write GeoJSON, one feature a line and in a fixed order, so that a rebuild can be compared."""
    lines = sorted(
        json.dumps(feature.as_geojson(), ensure_ascii=False, separators=(",", ":"))
        for feature in features
    )
    head = '{"type":"FeatureCollection","attribution":"© OpenStreetMap contributors, ODbL 1.0"'
    body = ",\n".join(lines)
    path.write_text(f'{head},"features":[\n{body}\n]}}\n', encoding="utf-8")


def main() -> None:
    """Build every file and say how large each is."""
    MAP_DIR.mkdir(parents=True, exist_ok=True)
    written = []
    collected: dict[str, list[Feature]] = {name: [] for name in LAYERS}
    for town in load_towns():
        extract = Extract(Path(pyrosm.get_data(town.extract)), town.bbox)
        for name, layer in LAYERS.items():
            collected[name] += layer(extract)
        path = DATA_DIR / f"{town.schema}.streets.json"
        path.write_text(network(extract), encoding="utf-8")
        written.append(path)
    for name, features in collected.items():
        path = MAP_DIR / f"{name}.geojson"
        write_layer(path, features)
        written.append(path)
    written += write_styles(MAP_DIR)
    for path in written:
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
