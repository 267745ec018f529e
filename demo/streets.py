"""The drivable streets of a demo town: nearest junction, and the quickest way between two."""

import heapq
import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import msgspec

from demo.world import DATA_DIR

EARTH_RADIUS = 6_371_008.8  # metres, the mean radius of WGS 84

Point = tuple[float, float]  # (lat, lon) in degrees


@dataclass(frozen=True, slots=True)
class Street:
    """One street of the file; ``speed`` is the limit in km/h, ``nodes`` are indexes."""

    name: str
    speed: int
    oneway: bool
    nodes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _File:
    nodes: tuple[Point, ...]
    ways: tuple[Street, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """A way to drive: ``limits[i]`` (metres per second) holds from ``points[i]`` to the next."""

    points: tuple[Point, ...]
    limits: tuple[float, ...]

    @property
    def length(self) -> float:
        """Metres from the first point to the last."""
        return sum(distance(one, other) for one, other in pairwise(self.points))


def distance(one: Point, other: Point) -> float:
    """Metres between two points on the equirectangular plane; exact to 1 cm within a town."""
    mean = math.radians((one[0] + other[0]) / 2)
    north = math.radians(other[0] - one[0])
    east = math.radians(other[1] - one[1]) * math.cos(mean)
    return EARTH_RADIUS * math.hypot(north, east)


def bearing(one: Point, other: Point) -> float:
    """Degrees clockwise from north, in which ``other`` lies from ``one``; 0 if they are equal."""
    mean = math.radians((one[0] + other[0]) / 2)
    north, east = other[0] - one[0], (other[1] - one[1]) * math.cos(mean)
    return math.degrees(math.atan2(east, north)) % 360


def moved(point: Point, north: float, east: float) -> Point:
    """The point this many metres further north and east."""
    lat = point[0] + math.degrees(north / EARTH_RADIUS)
    lon = point[1] + math.degrees(east / (EARTH_RADIUS * math.cos(math.radians(point[0]))))
    return lat, lon


class Streets:
    """A town's street network. Every node reaches every other; the build script sees to that."""

    def __init__(self, nodes: tuple[Point, ...], ways: tuple[Street, ...]) -> None:
        self.nodes = nodes
        self.ways = ways
        self._next: list[list[tuple[int, float, float]]] = [[] for _ in nodes]
        for way in ways:
            limit = way.speed / 3.6
            for start, end in pairwise(way.nodes):
                seconds = distance(nodes[start], nodes[end]) / limit
                self._next[start].append((end, seconds, limit))
                if not way.oneway:
                    self._next[end].append((start, seconds, limit))

    def nearest(self, point: Point) -> int:
        """Index of the node nearest to a point, as the crow flies."""
        return min(range(len(self.nodes)), key=lambda node: distance(self.nodes[node], point))

    def route(self, start: int, goal: int) -> Route:
        """The quickest way by the speed limits (Dijkstra); ValueError if there is none."""
        best: dict[int, float] = {start: 0.0}
        came: dict[int, tuple[int, float]] = {}
        heap = [(0.0, start)]
        while heap:
            cost, node = heapq.heappop(heap)
            if node == goal:
                return self._unwound(start, goal, came)
            if cost > best[node]:
                continue
            for following, seconds, limit in self._next[node]:
                total = cost + seconds
                if total < best.get(following, math.inf):
                    best[following] = total
                    came[following] = (node, limit)
                    heapq.heappush(heap, (total, following))
        raise ValueError(f"no way from node {start} to node {goal}")

    def _unwound(self, start: int, goal: int, came: dict[int, tuple[int, float]]) -> Route:
        nodes, limits = [goal], []
        while nodes[-1] != start:
            node, limit = came[nodes[-1]]
            nodes.append(node)
            limits.append(limit)
        return Route(tuple(self.nodes[node] for node in reversed(nodes)), tuple(reversed(limits)))


@cache
def load_streets(schema: str) -> Streets:
    """Read a demo company's streets, once per process."""
    content = (DATA_DIR / f"{schema}.streets.json").read_bytes()
    file = msgspec.json.decode(content, type=_File)
    return Streets(file.nodes, file.ways)
