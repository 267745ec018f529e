"""Dispatchers who have the product's own map open while phones upload."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.drivers import Drivers
from bench.ingest_world import Viewer
from bench.machine import RigError
from bench.phones import Fleet
from bench.servers import ServerProcess
from bench.websocket import Target

OPEN_SECONDS = 60.0
OPEN_AT_ONCE = 10


@dataclass(frozen=True)
class FleetAndMaps:
    """For a meter: the phones' processes, then the maps'."""

    fleet: Fleet
    maps: Drivers

    @property
    def pids(self) -> list[int]:
        return [*self.fleet.pids, *self.maps.pids]


def open_maps(
    maps: Drivers,
    server: ServerProcess,
    viewers: Sequence[Viewer],
    params: Sequence[Mapping[str, object]] = (),
) -> None:
    """A map for each viewer, with the params of its subscription if there are any.

    Raises:
        RigError: a socket did not open.
    """
    targets = [
        Target(
            server.port,
            f"/cable?jid={viewer.token}",
            "actioncable-v1-json",
            json.dumps({"channel": "MapChannel", **more}),
            host=viewer.host,
        )
        for viewer, more in zip(viewers, params or [{}] * len(viewers), strict=True)
    ]
    opened = maps.open(targets, at_once=OPEN_AT_ONCE, timeout=OPEN_SECONDS)
    if opened.failures:
        raise RigError(f"sockets did not open: {dict(opened.failures)}")
