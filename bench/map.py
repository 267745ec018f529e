"""Map: many technicians report once a second, dispatchers watch. What a viewer costs and sees."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

from bench import report, stacks
from bench.drivers import Drivers
from bench.machine import RigError, find_cores
from bench.map_figures import Round, Run, parts, summary
from bench.map_publisher import Count, Kind, MapPublisher, Published, Report, Stop
from bench.map_real import REAL_METHOD, measure_real
from bench.map_real_figures import real_doubts, real_parts, real_table
from bench.map_rounds import (
    STAMP_TOLERANCE,
    WARM_SECONDS,
    compare_viewports,
    measure_round,
    most_frames,
    viewers_of,
    wants_another,
)
from bench.map_viewers import MapTally, most_within
from bench.positions import VIEWPORTS
from bench.report import Result, progress
from bench.rig import Rig
from bench.servers import ServerProcess
from bench.websocket import Target

#: Reports in one message of a gateway that commits those of many phones together.
BATCH = 50
OPEN_SECONDS = 60.0
OPEN_AT_ONCE = 20
ANSWER_SECONDS = 30.0

METHOD = (
    "Each technician reports once a second, about 200 bytes of JSON, published by a process of "
    "its own; server CPU is user and system time of the server's process, for each report and "
    "viewer, the median of the rounds. Baseline: the same viewers get each report as a message "
    "of an ordered stream without history, through the same hub. Age: from handing a report to "
    "`abroadcast_state` until a viewer without viewport has read the frame with it, one for each "
    "version, key and viewer to which it was sent (those that a newer one superseded before it "
    "was sent have none, and are counted), in the round that other programs disturbed least. "
    f"Frames: the most of one viewer within any {1 - STAMP_TOLERANCE:g} s, by the server's time in "
    f"them and but for snapshots. Viewports: {VIEWPORTS} viewers, each of another "
    f"{1 / VIEWPORTS:.0%} of the technicians, against viewers of all, mean bytes of their messages "
    "without snapshots. Wrong: keys of all viewers that differ from the truth a second after the "
    "last report (`--quiet-seconds`)."
)

OURS = Kind("conflated", conflated=True)
OURS_BATCHED = Kind(f"conflated, {BATCH} a message", conflated=True, batch=BATCH)
BASELINE = Kind("a message per report", conflated=False)


def measure_kind(rig: Rig, kind: Kind, technicians: int, options: argparse.Namespace) -> Run:
    """One way to publish, with so many technicians.

    Raises:
        RigError: a socket did not open, or nothing was delivered.
    """
    stream = f"{'map' if kind.conflated else 'fixes'}-{secrets.token_hex(4)}"
    with (
        rig.server(stacks.OURS) as server,
        rig.drivers(options.drivers, MapTally) as drivers,
        rig.worker(
            "publisher",
            MapPublisher,
            rig.environment(stacks.OURS),
            kind,
            stream,
            technicians,
        ) as publisher,
    ):
        channel: dict[str, object] = {"channel": "StreamChannel", "stream": stream}
        if kind.conflated:
            channel |= {"channel": "MapChannel", "technicians": technicians}
        _open(drivers, server, [channel] * options.viewers)
        meter = rig.meter(server, drivers, publisher)
        publisher.ask(Report(), within=ANSWER_SECONDS)
        time.sleep(WARM_SECONDS)
        drivers.take()
        rounds: list[Round] = []
        while wants_another(rounds, options.rounds):
            rounds.append(
                measure_round(
                    drivers,
                    meter,
                    lambda: int(publisher.ask(Count(), within=ANSWER_SECONDS)),
                    viewers=options.viewers,
                    seconds=options.seconds,
                )
            )
            if not rounds[-1].delivered:
                raise RigError(f"{kind.name}: nothing was delivered; it logged:\n{server.said()}")
        full_bytes = viewport_bytes = 0.0
        if kind.conflated:
            _open(drivers, server, [{**channel, "viewport": each} for each in range(VIEWPORTS)])
            full_bytes, viewport_bytes = compare_viewports(drivers, options.seconds)
        published: Published = publisher.ask(Stop(), within=ANSWER_SECONDS)
        time.sleep(options.quiet_seconds)
        taken = drivers.take()
    viewers = viewers_of(taken.tallies)
    full = [viewer for viewer in viewers if viewer.viewport is None]
    delivered = sum(viewer.delivered for viewer in full)
    return Run(
        kind=kind.name,
        technicians=technicians,
        rounds=rounds,
        full_bytes=full_bytes,
        viewport_bytes=viewport_bytes,
        published=published.fixes,
        publisher_late=published.latest * 1000,
        viewers=len(full),
        delivered=delivered,
        superseded=published.fixes * len(full) - delivered,
        frames_per_second=most_frames(viewers),
        frames_per_second_read=max(most_within(1, v.read_at) for v in viewers),
        snapshots=sum(viewer.snapshots for viewer in viewers),
        wrong=sum(viewer.wrong(published.truth) for viewer in viewers),
        went_back=sum(viewer.went_back for viewer in viewers),
        lost_sockets=taken.lost.total(),
    )


def _open(drivers: Drivers, server: ServerProcess, channels: Sequence[dict[str, object]]) -> None:
    targets = [
        Target(
            server.port,
            f"/cable?jid=viewer-{number}",
            stacks.OURS.subprotocol,
            json.dumps(channel),
        )
        for number, channel in enumerate(channels)
    ]
    opened = drivers.open(targets, at_once=OPEN_AT_ONCE, timeout=OPEN_SECONDS)
    if opened.failures:
        raise RigError(f"sockets did not open: {dict(opened.failures)}")


def measure(options: argparse.Namespace) -> tuple[Result, list[str]]:
    """What the options ask for; raises `RigError`."""
    real = options.real or ("no" if options.quick else "yes")
    methods = {"yes": f"{METHOD} {REAL_METHOD}", "no": METHOD, "only": REAL_METHOD}
    result = Result("map", find_cores(), methods[real])
    tables: list[str] = []
    if real != "only":
        tables.append(_measure_synthetic(result, options))
    if real != "no":
        tables.append(_measure_real(result, options))
    return result, tables


def _measure_real(result: Result, options: argparse.Namespace) -> str:
    progress(f"real: {options.technicians} phones to {options.viewers} dispatchers")
    real = measure_real(options)
    result.parts += real_parts(real)
    result.doubts += real_doubts(real)
    result.figures["real"] = real.as_figures()
    return real_table(real)


def _measure_synthetic(result: Result, options: argparse.Namespace) -> str:
    """Ours and the baseline, of reports that are made up."""
    baseline_technicians = min(options.technicians, options.baseline_technicians)
    plan = [(OURS, options.technicians), (BASELINE, baseline_technicians)]
    if not options.quick:
        plan.insert(1, (OURS_BATCHED, options.technicians))
    with Rig(sockets=options.viewers + VIEWPORTS) as rig:
        runs = []
        for kind, technicians in plan:
            progress(f"{kind.name}: {technicians} technicians to {options.viewers} viewers")
            runs.append(measure_kind(rig, kind, technicians, options))
    *ours, baseline = runs
    result.parts = parts(ours, baseline)
    result.doubts = report.doubts([each.usage for run in runs for each in run.rounds])
    if baseline.technicians < options.technicians:
        cores = baseline.cpu_us * options.technicians * options.viewers / 1e6
        result.doubts.append(
            f"the baseline had {baseline.technicians} technicians: {options.technicians} would "
            f"take {cores:.1f} cores, and it has one"
        )
    result.figures["runs"] = [
        {
            **asdict(run),
            "cpu_us_per_fix_and_viewer": run.cpu_us,
            "age_p50_ms": run.least_disturbed.age_p50,
            "age_p99_ms": run.least_disturbed.age_p99,
            "viewport_percent": run.viewport_percent,
        }
        for run in runs
    ]
    return summary(runs, baseline)


def main(arguments: list[str]) -> int:
    parser = report.make_parser("map", __doc__)
    parser.add_argument("--technicians", type=report.positive, default=1000, help="(%(default)s)")
    parser.add_argument("--viewers", type=report.positive, default=100, help="(%(default)s)")
    parser.add_argument(
        "--baseline-technicians",
        type=report.positive,
        default=100,
        help="as many as the baseline can send to these viewers from one core (%(default)s)",
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="of each round (%(default)s)")
    parser.add_argument("--rounds", type=report.positive, default=3, help="(%(default)s)")
    parser.add_argument(
        "--quiet-seconds",
        type=float,
        default=1.0,
        help="from the last report to the look at every map (%(default)s)",
    )
    parser.add_argument(
        "--real",
        choices=["yes", "no", "only"],
        help="phones that upload to the product, and its own map (yes; no with --quick)",
    )
    options = parser.parse_args(arguments)
    return report.run("map", lambda: measure(options), options.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
