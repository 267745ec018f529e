"""The product's own map while phones upload to it: from the post to the viewer."""

from __future__ import annotations

import argparse
import time
import urllib.request

from bench.dispatchers import FleetAndMaps, open_maps
from bench.drivers import Drivers
from bench.ingest_figures import Latency, latency_of
from bench.ingest_rounds import Uploads
from bench.ingest_stacks import ours, phones_of
from bench.ingest_world import Create, Viewer
from bench.machine import RigError
from bench.map_figures import Round
from bench.map_real_figures import Real
from bench.map_real_viewers import RealPosition, RealTally, Strip, read_positions
from bench.map_rounds import (
    WARM_SECONDS,
    compare_viewports,
    measure_round,
    most_frames,
    viewers_of,
    wants_another,
)
from bench.positions import VIEWPORTS
from bench.rig import Rig
from bench.servers import ServerProcess
from bench.tracks import longitudes

# Phones and maps share a core with PostgreSQL.
DRIVERS = 2
# Longer than any run.
TOKEN_SECONDS = 3600
SNAPSHOT_SECONDS = 30.0
_POLL_SECONDS = 0.25
_READ_SECONDS = 30.0

REAL_METHOD = (
    "Real: one company's phones, made and signed in by the product's own actions, post a fix a "
    "second each, one a request, to the web process of `./dev up` with a PostgreSQL that syncs "
    "each commit; each viewer is a dispatcher of their own with the product's `MapChannel`. "
    "Age: from when a post was due, which is the fix's `recorded_at`, until a viewer without "
    "viewport has read the frame with it, in the round that other programs disturbed least. "
    f"Viewports: {VIEWPORTS} more dispatchers, each with another {1 / VIEWPORTS:.0%} of the "
    "technicians. Wrong: keys of all viewers that at the end differ from `/api/v1/positions/`, "
    "versions that went back, and sockets that were lost. Lost: posts without the answer that "
    "their fix is stored, and differences between such answers and rows."
)


def measure_real(options: argparse.Namespace) -> Real:
    """With the technicians, viewers and rounds of the options; raises `RigError`."""
    technicians, viewers = options.technicians, options.viewers
    order = Create(1, technicians, TOKEN_SECONDS, dispatchers=viewers + VIEWPORTS)
    processes = min(DRIVERS, options.drivers)
    with Rig(sockets=technicians + viewers + VIEWPORTS, database=True) as rig:
        stack = ours(rig, order)
        with (
            rig.serve(stack.name, stack.command, stack.variables, logs_requests=True) as server,
            phones_of(rig, stack, server, processes) as fleet,
            rig.drivers(processes, RealTally) as maps,
        ):
            uploads = Uploads(stack, server, fleet, rig.meter(server, FleetAndMaps(fleet, maps)))
            fleet.begin(1, rate=technicians, live=True)
            time.sleep(WARM_SECONDS)  # everybody is on the map before it is opened
            dispatchers = stack.world.viewers
            open_maps(maps, server, dispatchers[:viewers])
            _wait_for_snapshots(maps, viewers)
            time.sleep(WARM_SECONDS)
            uploads.count(fleet.take())
            maps.take()
            rounds: list[Round] = []
            answers: list[Latency] = []
            while wants_another(rounds, options.rounds):
                rounds.append(
                    measure_round(
                        maps,
                        uploads.meter,
                        fleet.stored,
                        viewers=viewers,
                        seconds=options.seconds,
                    )
                )
                posts = fleet.take()
                uploads.count(posts)
                answers.append(latency_of(posts, technicians, rounds[-1].usage))
                if not rounds[-1].delivered:
                    raise RigError(f"no viewer saw anything move; it logged:\n{server.said()}")
            strips = [
                Strip(*longitudes(0, technicians, part=number, parts=VIEWPORTS))
                for number in range(VIEWPORTS)
            ]
            open_maps(maps, server, dispatchers[viewers:], [strip.params for strip in strips])
            _wait_for_snapshots(maps, viewers + VIEWPORTS)
            full_bytes, viewport_bytes = compare_viewports(maps, options.seconds)
            uploads.count(fleet.end())
            time.sleep(options.quiet_seconds)
            taken = maps.take()
            truth = _positions(server, dispatchers[0])
            account = uploads.account()
    seen = viewers_of(taken.tallies)
    return Real(
        technicians=technicians,
        viewers=viewers,
        phone_processes=len(fleet.pids),
        rounds=rounds,
        answers=answers,
        full_bytes=full_bytes,
        viewport_bytes=viewport_bytes,
        frames_per_second=most_frames(seen),
        on_map=len(truth),
        wrong=sum(viewer.wrong(truth) for viewer in seen),
        went_back=sum(viewer.went_back for viewer in seen),
        lost_sockets=taken.lost.total(),
        account=account,
    )


def _wait_for_snapshots(maps: Drivers, viewers: int) -> None:
    deadline = time.monotonic() + SNAPSHOT_SECONDS
    while missing := viewers - sum(
        viewer.snapshots > 0 for viewer in viewers_of(maps.take().tallies)
    ):
        if time.monotonic() > deadline:
            raise RigError(f"{missing} maps got no snapshot within {SNAPSHOT_SECONDS:g} s")
        time.sleep(_POLL_SECONDS)


def _positions(server: ServerProcess, viewer: Viewer) -> dict[str, RealPosition]:
    """What the database has, as the product tells it."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/api/v1/positions/",
        headers={"Host": viewer.host, "Authorization": f"Bearer {viewer.token}"},
    )
    with urllib.request.urlopen(request, timeout=_READ_SECONDS) as answer:
        return read_positions(answer.read())
