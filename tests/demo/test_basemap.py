"""The base map's files are current, small, attributed, and complete without the internet."""

import json
from pathlib import Path
from typing import Any

import pytest

from demo.basemap.palettes import DARK, LIGHT, Palette
from demo.basemap.style import style
from demo.world import load_world

MAP_DIR = Path(__file__).resolve().parents[2] / "frontend" / "public" / "basemap"
LAYERS = ("ground", "buildings", "streets", "labels")
STYLES = [("style.json", LIGHT), ("style-dark.json", DARK)]


def features(layer: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((MAP_DIR / f"{layer}.geojson").read_text())["features"]
    return found


@pytest.mark.parametrize(("file_name", "palette"), STYLES)
def test_the_styles_on_disk_are_the_ones_the_script_writes(
    file_name: str, palette: Palette
) -> None:
    assert json.loads((MAP_DIR / file_name).read_text()) == json.loads(json.dumps(style(palette)))


@pytest.mark.parametrize(("file_name", "palette"), STYLES)
def test_a_style_needs_no_other_server_and_carries_the_attribution(
    file_name: str, palette: Palette
) -> None:
    document = json.loads((MAP_DIR / file_name).read_text())
    assert not {"glyphs", "sprite"} & document.keys()
    assert {name: source["data"] for name, source in document["sources"].items()} == {
        name: f"/static/basemap/{name}.geojson" for name in LAYERS
    }
    for source in document["sources"].values():
        assert "© OpenStreetMap contributors" in source["attribution"]
    assert {layer["source"] for layer in document["layers"][1:]} == set(LAYERS)
    names = [layer["id"] for layer in document["layers"]]
    assert len(set(names)) == len(names)


def test_every_file_is_small_enough_to_track_and_to_send() -> None:
    sizes = {path.name: path.stat().st_size for path in MAP_DIR.iterdir()}
    assert max(sizes.values()) < 1024 * 1024
    assert sum(sizes.values()) < 1.25 * 1024 * 1024


@pytest.mark.parametrize("layer", ["ground", "streets", "labels"])
def test_every_kind_of_feature_is_drawn(layer: str) -> None:
    drawn = {
        kind
        for entry in style(LIGHT)["layers"]  # type: ignore[attr-defined]
        if entry.get("source") == layer and "kind" in json.dumps(entry.get("filter", ""))
        for kind in _kinds(entry["filter"])
    }
    assert {feature["properties"]["kind"] for feature in features(layer)} <= drawn


def _kinds(expression: list[Any]) -> set[str]:
    if expression[0] == "match":
        return set(expression[2])
    return {kind for part in expression if isinstance(part, list) for kind in _kinds(part)}


def test_each_town_has_buildings_streets_and_names() -> None:
    for company in load_world():
        west, south, east, north = company.bbox
        for layer, least in (("buildings", 300), ("streets", 200), ("labels", 5)):
            inside = 0
            for feature in features(layer):
                lon, lat = _first_point(feature["geometry"]["coordinates"])
                inside += west <= lon <= east and south <= lat <= north
            assert inside >= least, (company.schema, layer)


def _first_point(coordinates: Any) -> tuple[float, float]:
    while isinstance(coordinates[0], list):
        coordinates = coordinates[0]
    return coordinates[0], coordinates[1]
