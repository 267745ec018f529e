"""Routing engines on loopback that speak as OSRM and Valhalla document it, and fail on request."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tracking.eta import Place
from tracking.geo import distance

#: Seconds and metres from one place to another; None: there is no way.
Roads = Callable[[Place, Place], tuple[float, float] | None]
Answer = tuple[int, bytes]


def straight_roads(source: Place, target: Place) -> tuple[float, float]:
    """Roads along the line by air, on which everybody drives 10 m/s."""
    meters = round(distance(*source, *target), 1)
    return meters / 10, meters


@dataclass
class FakeEngine:
    """`answers` are given first, one for each request; then what the roads say.

    While `released` is not set, every answer waits for it.
    """

    kind: str
    url: str
    roads: Roads = straight_roads
    answers: list[Answer] = field(default_factory=list)
    #: (sources, targets) of each request.
    asked: list[tuple[list[Place], list[Place]]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def answer(self, sources: list[Place], targets: list[Place]) -> Answer:
        self.asked.append((sources, targets))
        self.arrived.release()
        self.released.wait(20)
        if self.answers:
            return self.answers.pop(0)
        table = [[self.roads(source, target) for target in targets] for source in sources]
        return 200, json.dumps(FORMS[self.kind](table)).encode()


def osrm_form(table: list[list[tuple[float, float] | None]]) -> dict[str, Any]:
    waypoint = {"hint": "", "distance": 1.5, "name": "", "location": [0, 0]}
    return {
        "code": "Ok",
        "durations": [[cell and cell[0] for cell in row] for row in table],
        "distances": [[cell and cell[1] for cell in row] for row in table],
        "sources": [waypoint for _ in table],
        "destinations": [waypoint for _ in table[0]],
    }


def valhalla_form(table: list[list[tuple[float, float] | None]]) -> dict[str, Any]:
    return {
        "algorithm": "costmatrix",
        "sources_to_targets": [
            [
                {
                    "time": cell and cell[0],
                    "distance": cell and round(cell[1] / 1_000, 4),
                    "from_index": row_number,
                    "to_index": number,
                }
                for number, cell in enumerate(row)
            ]
            for row_number, row in enumerate(table)
        ],
        "units": "kilometers",
    }


FORMS = {"osrm": osrm_form, "valhalla": valhalla_form}


@contextmanager
def running_engine(kind: str) -> Iterator[FakeEngine]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(path.query).items()}
            start, _, coordinates = path.path.rpartition("/")
            assert (kind, start) == ("osrm", "/base/table/v1/driving")
            assert query["annotations"] == "duration,distance"
            places = [
                Place(float(lat), float(lon))
                for lon, lat in (pair.split(",") for pair in coordinates.split(";"))
            ]
            sources, targets = (
                [places[int(index)] for index in query[name].split(";")]
                for name in ("sources", "destinations")
            )
            self._send(*engine.answer(sources, targets))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert (kind, self.path) == ("valhalla", "/base/sources_to_targets")
            assert (body["costing"], body["units"]) == ("auto", "kilometers")
            self._send(
                *engine.answer(
                    [Place(**place) for place in body["sources"]],
                    [Place(**place) for place in body["targets"]],
                )
            )

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """Clients that gave up break the connection."""

    server = Server(("127.0.0.1", 0), Handler)
    engine = FakeEngine(kind, f"http://127.0.0.1:{server.server_port}/base")
    engine.released.set()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield engine
    finally:
        engine.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
