"""Ingest: phones upload positions. How many does one server process store, and how fast is it?"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

from bench import report
from bench.ingest_figures import (
    BATCH,
    FIXES_PER_SECOND,
    FULL,
    Run,
    latencies_table,
    parts,
    rounds_table,
    single_round,
)
from bench.ingest_rounds import AT_ONCE, Uploads
from bench.ingest_soak import SAMPLE_SECONDS, measure_soak, soak_parts, soak_table
from bench.ingest_stacks import Stack, baseline, ours, phones_of
from bench.ingest_world import Create
from bench.report import Result, progress, share
from bench.rig import Rig

# Longer than any run without a soak.
TOKEN_SECONDS = 3600
_SYNCS = 50

METHOD = (
    "Companies, technicians, their phones' sign-ins and a job for each are made by the product's "
    "own actions; then technicians drive and stop, a fix a second from six hours ago on, 12 m/s, "
    "random UUIDs, and each technician's uploads go one after the other over a connection of "
    "their own. Ours: the web process of `./dev up`. Baseline: `CreateAPIView` with a "
    "`ModelSerializer` in one synchronous gunicorn worker, which takes a connection for each "
    "post, with the same sort of token, the user looked up, the id's uniqueness checked, a "
    "persistent connection to the same PostgreSQL. What either acknowledges is committed, and "
    "synced to the disk. Saturated: "
    f"up to {AT_ONCE[1]} single posts, or {AT_ONCE[BATCH]} uploads of {BATCH}, are always under "
    "way; server CPU is user and system time of the server's processes. Half load: single posts at "
    "fixed times, half as many as when saturated; latency runs from when a post was due until its "
    f"answer was read. Batches: judged by fixes a second (>= {FIXES_PER_SECOND:,}); but by fixes "
    "per CPU-second of the server, with the same bound, when the other cores, which PostgreSQL, "
    f"Valkey and the phones share, were over {share(FULL)} full while the server's was not: then "
    "the server could not be given more to do. Lost and unacknowledged: each company's rows in the "
    "database at the end against the fixes whose answers said that they are stored."
)


def measure_stack(
    rig: Rig,
    make: Callable[[Rig, Create], Stack],
    order: Create,
    options: argparse.Namespace,
    *,
    is_baseline: bool,
) -> Run:
    """All rounds of one stack; raises `RigError`."""
    with _uploads(rig, make(rig, order), options) as (uploads, stack):
        rounds, seconds = options.rounds, options.seconds
        singles = uploads.saturate(1, rounds=rounds, seconds=seconds)
        batches = [] if is_baseline else uploads.saturate(BATCH, rounds=rounds, seconds=seconds)
        half = single_round(singles).per_second / 2
        latencies = []
        if not (is_baseline and options.quick):
            latencies = uploads.pace(half, rounds=1 if is_baseline else rounds, seconds=seconds)
        account = uploads.account()
    return Run(stack.name, options.technicians, singles, batches, latencies, account)


@contextmanager
def _uploads(
    rig: Rig, stack: Stack, options: argparse.Namespace
) -> Iterator[tuple[Uploads, Stack]]:
    with (
        rig.serve(stack.name, stack.command, stack.variables, logs_requests=True) as server,
        phones_of(rig, stack, server, options.drivers) as fleet,
    ):
        yield Uploads(stack, server, fleet, rig.meter(server, fleet)), stack


def measure(options: argparse.Namespace) -> tuple[Result, list[str]]:
    """Ours and the baseline; raises `RigError`."""
    order = Create(options.companies, options.technicians, TOKEN_SECONDS)
    with Rig(sockets=options.technicians, database=True) as rig:
        result = Result("ingest", rig.cores, f"{METHOD} {_disk(rig)}")
        progress(f"ours: {options.technicians} technicians of {options.companies} companies")
        mine = measure_stack(rig, ours, order, options, is_baseline=False)
        progress("the baseline")
        base = measure_stack(rig, baseline, order, options, is_baseline=True)
    runs = [mine, base]
    result.parts = parts(mine, base)
    used = [each for run in runs for each in (run.single, run.batch, run.latency) if each]
    result.doubts = report.doubts([each.usage for each in used])
    if mine.batch is not None and mine.batch.held_back_by_rig:
        result.doubts.append(
            f"batches are judged per CPU-second of the server: the other cores were "
            f"{share(mine.batch.usage.rig_share)} full, the server's "
            f"{share(mine.batch.server_core_share)}"
        )
    result.figures["runs"] = [run.as_figures() for run in runs]
    return result, [rounds_table(runs), latencies_table(runs)]


def measure_long(options: argparse.Namespace) -> tuple[Result, list[str]]:
    """The soak; raises `RigError`."""
    seconds = options.soak_minutes * 60
    order = Create(options.companies, options.technicians, TOKEN_SECONDS + int(seconds))
    with Rig(sockets=options.technicians + options.viewers, database=True) as rig:
        result = Result("ingest", rig.cores, f"{METHOD} {_disk(rig)}")
        progress(f"soak: {options.soak_minutes:g} minutes, {options.viewers} viewers")
        stack = ours(rig, order)
        with (
            rig.serve(stack.name, stack.command, stack.variables, logs_requests=True) as server,
            phones_of(rig, stack, server, options.drivers) as fleet,
        ):
            uploads = Uploads(stack, server, fleet, rig.meter(server, fleet))
            soak = measure_soak(rig, stack, server, fleet, uploads, options)
    result.parts = soak_parts(soak)
    result.doubts = report.doubts([each.usage for each in soak.samples])
    result.figures["soak"] = soak.as_figures()
    return result, [soak_table(soak)]


def _disk(rig: Rig) -> str:
    """How long the disk takes for what a commit waits for."""
    path = rig.folder / "sync"
    spent: list[float] = []
    with path.open("wb", buffering=0) as file:
        for _ in range(_SYNCS):
            file.write(b"x" * 8192)
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            spent.append(time.perf_counter() - started)
    return f"The disk takes {median(spent) * 1000:.2f} ms to sync 8 kB (median of {_SYNCS})."


def main(arguments: list[str]) -> int:
    parser = report.make_parser("ingest", __doc__)
    parser.set_defaults(drivers=2)  # they share a core with PostgreSQL
    parser.add_argument("--companies", type=report.positive, default=4, help="(%(default)s)")
    parser.add_argument(
        "--technicians", type=report.positive, default=400, help="of all together (%(default)s)"
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="of each round (%(default)s)")
    parser.add_argument("--rounds", type=report.positive, default=3, help="(%(default)s)")
    parser.add_argument(
        "--soak-minutes",
        type=float,
        metavar="N",
        help="instead: single posts at half of what ours stores, for so long",
    )
    parser.add_argument(
        "--viewers", type=report.positive, default=20, help="of the maps in a soak (%(default)s)"
    )
    parser.add_argument(
        "--sample-seconds", type=float, default=SAMPLE_SECONDS, help="in a soak (%(default)s)"
    )
    options = parser.parse_args(arguments)
    if options.technicians < options.companies:
        parser.error("--technicians should be at least as many as --companies")
    work = measure if options.soak_minutes is None else measure_long
    return report.run("ingest", lambda: work(options), options.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
