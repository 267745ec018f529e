"""What routing engines are asked, and how their answers are read.

OSRM's table service (github.com/Project-OSRM/osrm-backend, docs/http.md) and Valhalla's matrix
service (valhalla.github.io/valhalla/api/matrix/api-reference).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Protocol

import httpx
import msgspec

from tracking.eta.legs import Leg, Place, Provider

Table = list[list[Leg | None]]
Numbers = list[list[float | None]]


class Engine(Protocol):
    name: Provider

    def request(self, sources: Sequence[Place], targets: Sequence[Place]) -> httpx.Request:
        """The request for a table of ways."""

    def read(self, body: bytes) -> Table:
        """The table of an answer with status 200; None where there is no way.

        Raises:
            msgspec.MsgspecError, ValueError: it is no answer of this engine.
        """


class _OsrmTable(msgspec.Struct):
    """`durations` in seconds, `distances` in metres, a row for each source."""

    code: str
    durations: Numbers = []
    distances: Numbers = []


class Osrm:
    name: Provider = "osrm"

    def __init__(self, url: str) -> None:
        self._url = url

    def request(self, sources: Sequence[Place], targets: Sequence[Place]) -> httpx.Request:
        places = ";".join(f"{lon:.6f},{lat:.6f}" for lat, lon in (*sources, *targets))
        count = len(sources)
        query = {
            "annotations": "duration,distance",
            "sources": ";".join(map(str, range(count))),
            "destinations": ";".join(map(str, range(count, count + len(targets)))),
        }
        return httpx.Request("GET", f"{self._url}/table/v1/driving/{places}", params=query)

    def read(self, body: bytes) -> Table:
        table = msgspec.json.decode(body, type=_OsrmTable)
        if table.code != "Ok":
            raise msgspec.ValidationError(f"code is {table.code!r}, not 'Ok'")
        return [
            [_leg(*cell, self.name) for cell in zip(*row, strict=True)]
            for row in zip(table.durations, table.distances, strict=True)
        ]


class _ValhallaCell(msgspec.Struct):
    """Seconds and kilometres; null where there is no way."""

    time: float | None
    distance: float | None


class _ValhallaMatrix(msgspec.Struct):
    sources_to_targets: list[list[_ValhallaCell]]
    units: str


class Valhalla:
    name: Provider = "valhalla"

    def __init__(self, url: str) -> None:
        self._url = url

    def request(self, sources: Sequence[Place], targets: Sequence[Place]) -> httpx.Request:
        question = {
            "sources": [place._asdict() for place in sources],
            "targets": [place._asdict() for place in targets],
            "costing": "auto",
            "units": "kilometers",
        }
        return httpx.Request("POST", f"{self._url}/sources_to_targets", json=question)

    def read(self, body: bytes) -> Table:
        matrix = msgspec.json.decode(body, type=_ValhallaMatrix)
        if matrix.units != "kilometers":
            raise msgspec.ValidationError(f"units are {matrix.units!r}, not kilometers")
        return [
            [
                _leg(cell.time, None if cell.distance is None else cell.distance * 1_000, self.name)
                for cell in row
            ]
            for row in matrix.sources_to_targets
        ]


ENGINES: dict[str, type[Osrm | Valhalla]] = {"osrm": Osrm, "valhalla": Valhalla}


def _leg(seconds: float | None, meters: float | None, name: Provider) -> Leg | None:
    if seconds is None or meters is None:
        return None
    if not (isfinite(seconds) and isfinite(meters) and seconds >= 0 and meters >= 0):
        raise msgspec.ValidationError(f"no drive takes {seconds} s for {meters} m")
    return Leg(seconds, meters, name)
