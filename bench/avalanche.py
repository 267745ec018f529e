"""Avalanche: thousands of sockets connect and subscribe at once, as after a restart, then idle."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, replace

from bench import report, stacks
from bench.accounting import Usage, resident_bytes
from bench.drivers import Counters, Opened
from bench.machine import RigError
from bench.report import Result, progress, share, table
from bench.rig import Rig
from bench.rounds import QUIET
from bench.stacks import Stack
from bench.verdict import at_most, none_of, percentile, ratio
from bench.websocket import Reader

P95_SECONDS = 2.0
KILOBYTES = 45.0

#: Of all sockets, those that are on their way at any time: the next one starts when one is open.
#: The published avalanche of AnyCable (20,000 sockets, 2,000 at once) has the same part.
AT_ONCE_PART = 0.1
#: One socket; what takes longer is a failure. Official clients give up at 10 s.
OPEN_SECONDS = 10.0
# Long enough for two pings of the cable, and for the allocator to come to rest.
SETTLE_SECONDS = 8.0
MOST_RUNS = 3
# The first sockets make a process load what it loads late.
WARM_SOCKETS = 20

METHOD = (
    "Each socket connects, subscribes to one channel and stream, and waits for the confirmation "
    "(as shipped: the consumer joins its group, then accepts). A tenth of all sockets is on its "
    "way at any time; a new one starts when one is open, so the server decides the rate. Time is "
    "from the start of the connection to the confirmation. Memory is the growth of the server's "
    "resident set until all are open and idle, per socket (1 kB = 1,000 bytes). Ours is the run, "
    f"of at most {MOST_RUNS}, that other programs disturbed least."
)


@dataclass(frozen=True)
class Run:
    """One stack's avalanche. Times are seconds, memory is bytes."""

    stack: str
    sockets: int
    opened: int
    failures: dict[str, int]
    p50: float
    p95: float
    worst: float
    wall: float
    usage: Usage
    idle: Usage
    resident_before: int
    resident_after: int

    @property
    def failed(self) -> int:
        return sum(self.failures.values())

    @property
    def per_second(self) -> float:
        return self.opened / self.wall

    @property
    def per_cpu_second(self) -> float:
        return self.opened / self.usage.server

    @property
    def bytes_per_socket(self) -> float:
        return (self.resident_after - self.resident_before) / self.opened


class MessageCount:
    """Counts messages, of which there should be none."""

    def __init__(self, counters: Counters, index: int) -> None:
        self._counters, self._index = counters, index

    def take(self) -> None:
        return None

    def reader(self) -> Reader:
        def read(data: bytes, start: int, end: int, now: int) -> None:
            self._counters[self._index] += 1

        return read


def measure_stack(rig: Rig, stack: Stack, sockets: int, options: argparse.Namespace) -> Run:
    """One stack with so many sockets.

    Raises:
        RigError: none opened.
    """
    prefix = f"avalanche-{secrets.token_hex(4)}"
    with rig.server(stack) as server, rig.drivers(options.drivers, MessageCount) as drivers:
        targets = [
            stack.target(server.port, number, f"{prefix}-{number % options.streams}")
            for number in range(sockets)
        ]
        drivers.open(targets[:WARM_SOCKETS], at_once=WARM_SOCKETS, timeout=OPEN_SECONDS)
        drivers.close_all()
        time.sleep(1)
        drivers.take()
        meter = rig.meter(server, drivers)
        before = resident_bytes(server.pid)
        meter.restart()
        opened: Opened = drivers.open(
            targets, at_once=max(1, int(sockets * AT_ONCE_PART)), timeout=OPEN_SECONDS
        )
        usage = meter.read()
        meter.restart()
        time.sleep(options.settle)
        idle = meter.read()
        after = resident_bytes(server.pid)
        lost = drivers.take().lost
    if not opened.seconds:
        raise RigError(f"{stack.name}: no socket opened: {dict(opened.failures)}")
    failures = opened.failures + Counter({f"later {why}": n for why, n in lost.items()})
    return Run(
        stack=stack.name,
        sockets=sockets,
        opened=len(opened.seconds),
        failures=dict(failures),
        p50=percentile(opened.seconds, 50),
        p95=percentile(opened.seconds, 95),
        worst=max(opened.seconds),
        wall=opened.wall,
        usage=usage,
        idle=idle,
        resident_before=before,
        resident_after=after,
    )


def _least_disturbed(rig: Rig, stack: Stack, sockets: int, options: argparse.Namespace) -> Run:
    """What the budget is held to is measured again as long as other programs disturb it."""
    runs = [measure_stack(rig, stack, sockets, options)]
    while stack.kind == "cable" and runs[-1].usage.disturbance > QUIET and len(runs) < MOST_RUNS:
        progress(f"{stack.name}: again, since other programs took part of a core")
        runs.append(measure_stack(rig, stack, sockets, options))
    best = min(runs, key=lambda run: run.usage.disturbance)
    # A failure counts whenever it happened.
    failures: Counter[str] = sum((Counter(run.failures) for run in runs), Counter())
    return replace(best, failures=dict(failures))


def measure(options: argparse.Namespace) -> tuple[Result, list[str]]:
    """All stacks; raises `RigError`."""
    fewer = min(options.sockets, options.baseline_sockets)
    plan = [
        (stacks.OURS, options.sockets),
        (stacks.OURS_EXTENDED, options.sockets),
        (stacks.OURS_DAPHNE, fewer),
        (stacks.SHIPPED, fewer),
        (stacks.SHIPPED_TUNED, fewer),
    ]
    if options.quick:
        plan = [(stack, sockets) for stack, sockets in plan if stack in stacks.BUDGETED]
    with Rig(sockets=options.sockets) as rig:
        result = Result("avalanche", rig.cores, METHOD)
        runs = []
        for stack, sockets in plan:
            progress(f"{stack.name}: {sockets} sockets")
            runs.append(_least_disturbed(rig, stack, sockets, options))

    shipped = next(run for run in runs if run.stack == stacks.SHIPPED.name)
    full = [run for run in runs if run.stack in (stacks.OURS.name, stacks.OURS_EXTENDED.name)]
    result.parts = [
        ratio(runs[0].per_cpu_second / shipped.per_cpu_second),
        none_of("failed", sum(run.failed for run in full)),
        at_most("p95", max(run.p95 for run in full), P95_SECONDS, "s"),
        at_most("per socket", max(run.bytes_per_socket for run in full) / 1000, KILOBYTES, "kB"),
    ]
    result.doubts = report.doubts([run.usage for run in runs])
    result.doubts += [f"{run.stack}: {run.failures}" for run in runs if run.failures]
    result.figures |= {
        "streams": options.streams,
        "runs": [
            {
                **asdict(run),
                "sockets_per_second": run.per_second,
                "sockets_per_cpu_second": run.per_cpu_second,
                "bytes_per_socket": run.bytes_per_socket,
            }
            for run in runs
        ],
    }
    return result, [_table(runs, shipped)]


def _table(runs: list[Run], shipped: Run) -> str:
    headings = [
        *("stack", "sockets", "failed", "sockets/s", "per CPU-s", "ratio"),
        *("p50 s", "p95 s", "max s", "kB/socket", "server", "idle", "drivers"),
    ]
    lines = [
        [
            run.stack,
            f"{run.sockets:,}",
            f"{run.failed:,}",
            f"{run.per_second:,.0f}",
            f"{run.per_cpu_second:,.0f}",
            f"{run.per_cpu_second / shipped.per_cpu_second:.1f}",
            f"{run.p50:.2f}",
            f"{run.p95:.2f}",
            f"{run.worst:.2f}",
            f"{run.bytes_per_socket / 1000:.1f}",
            share(run.usage.server_share),
            share(run.idle.server_share),
            share(sum(run.usage.drivers) / run.usage.wall),
        ]
        for run in runs
    ]
    return table(headings, lines)


def main(arguments: list[str]) -> int:
    parser = report.make_parser("avalanche", __doc__)
    parser.add_argument("--sockets", type=report.positive, default=5000, help="(%(default)s)")
    parser.add_argument(
        "--baseline-sockets",
        type=report.positive,
        default=1000,
        help="for Daphne and for what is shipped, which are slow (%(default)s)",
    )
    parser.add_argument("--streams", type=report.positive, default=50, help="(%(default)s)")
    parser.add_argument(
        "--settle",
        type=float,
        default=SETTLE_SECONDS,
        help="seconds from the last socket to the look at memory (%(default)s)",
    )
    options = parser.parse_args(arguments)
    return report.run("avalanche", lambda: measure(options), options.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
