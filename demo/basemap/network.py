"""The street network that the demo's fleet drives on, from the same extract as the map."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from demo.basemap.extract import Element, Extract
from demo.basemap.layers import underground

# Speed limits in km/h where the extract has none: Finland's usual ones by class of street.
SPEEDS: dict[str, int] = {
    "motorway": 100,
    "motorway_link": 60,
    "trunk": 80,
    "trunk_link": 60,
    "primary": 50,
    "primary_link": 40,
    "secondary": 60,
    "secondary_link": 40,
    "tertiary": 50,
    "tertiary_link": 40,
    "residential": 40,
    "unclassified": 40,
    "living_street": 20,
}
FORBIDDEN = {"private", "no"}
# In degrees: about 55 m north to south and, at these latitudes, 27 m east to west.
LONGEST_SEGMENT = 5e-4

Node = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Way:
    """A street in driving direction; ``nodes`` are (lat, lon), shared by streets that meet."""

    name: str
    speed: int
    oneway: bool
    nodes: tuple[Node, ...]


def network(extract: Extract) -> str:
    """The network as JSON: ``{"nodes": [[lat, lon]], "ways": [{name, speed, oneway, nodes}]}``.

    Only the largest part in which every node can be reached from every other is kept, so a driver
    is never trapped; ``speed`` is in km/h, a way's ``nodes`` are indexes.
    """
    ways = sorted(_ways(extract), key=lambda way: (way.name, way.nodes))
    kept = _largest_component(ways)
    ways = [piece for way in ways for piece in _pieces(way, kept)]
    nodes = sorted({node for way in ways for node in way.nodes})
    index = {node: number for number, node in enumerate(nodes)}
    rows = [
        {
            "name": way.name,
            "speed": way.speed,
            "oneway": way.oneway,
            "nodes": [index[node] for node in way.nodes],
        }
        for way in ways
    ]
    lines = ",\n".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) for r in rows)
    points = json.dumps(nodes, separators=(",", ":"))
    return f'{{"nodes":{points},\n"ways":[\n{lines}\n]}}\n'


def _ways(extract: Extract) -> Iterator[Way]:
    # Not cropped: a cut would add nodes that no other street shares.
    for element in extract.elements({"highway": list(SPEEDS)}, crop=False):
        geometry = element.geometry
        private = element.get("access") in FORBIDDEN
        if geometry.geom_type != "LineString" or underground(element) or private:
            continue
        # Long straight streets get nodes in between, so that a van can stop at any house.
        dense = geometry.segmentize(LONGEST_SEGMENT)
        nodes = tuple((round(y, 6), round(x, 6)) for x, y in dense.coords)
        oneway = element.get("oneway")
        if oneway == "-1":
            nodes = nodes[::-1]
        round_trip = element.get("junction") == "roundabout"
        yield Way(
            name=element.get("name"),
            speed=_speed(element),
            oneway=oneway in ("yes", "-1", "true", "1") or round_trip,
            nodes=nodes,
        )


def _speed(element: Element) -> int:
    limit = element.get("maxspeed")
    return int(limit) if limit.isdigit() else SPEEDS[element.get("highway")]


def _largest_component(ways: Iterable[Way]) -> set[Node]:
    """Kosaraju's strongly connected components, without recursion; the largest one."""
    forward: dict[Node, list[Node]] = defaultdict(list)
    backward: dict[Node, list[Node]] = defaultdict(list)
    for way in ways:
        for start, end in pairwise(way.nodes):
            forward[start].append(end)
            backward[end].append(start)
            if not way.oneway:
                forward[end].append(start)
                backward[start].append(end)
    order: list[Node] = []
    seen: set[Node] = set()
    for root in sorted({*forward, *backward}):
        order += _finished(root, forward, seen)
    components: list[list[Node]] = []
    seen = set()
    for root in reversed(order):
        component = _finished(root, backward, seen)
        if component:
            components.append(component)
    largest: list[Node] = max(components, key=len)
    return set(largest)


def _finished(root: Node, edges: dict[Node, list[Node]], seen: set[Node]) -> list[Node]:
    """Nodes reachable from ``root`` and not seen before, in order of finishing; marks them seen."""
    if root in seen:
        return []
    seen.add(root)
    finished: list[Node] = []
    stack = [(root, iter(edges[root]))]
    while stack:
        node, following = stack[-1]
        fresh = next((n for n in following if n not in seen), None)
        if fresh is None:
            finished.append(node)
            stack.pop()
        else:
            seen.add(fresh)
            stack.append((fresh, iter(edges[fresh])))
    return finished


def _pieces(way: Way, kept: set[Node]) -> Iterator[Way]:
    """The parts of a way whose nodes are all kept."""
    piece: list[Node] = []
    for node in (*way.nodes, None):
        if node is not None and node in kept:
            piece.append(node)
            continue
        if len(piece) > 1:
            yield Way(way.name, way.speed, way.oneway, tuple(piece))
        piece = []
