"""Fan-out: one stream, many subscribers. How many deliveries a second of server CPU buys."""

from __future__ import annotations

import argparse
import secrets
import sys
import time

from bench import report, stacks
from bench.drivers import Drivers
from bench.fanout_figures import (
    Latency,
    Round,
    Run,
    as_figures,
    latency_of,
    runs_table,
    saturated_round,
)
from bench.machine import RigError
from bench.report import Result, progress
from bench.rig import Rig
from bench.rounds import wants_another
from bench.sequence import (
    Counted,
    Pace,
    Published,
    Saturate,
    SequencePublisher,
    SequenceTally,
    Stop,
)
from bench.stacks import Stack
from bench.verdict import below, none_of, ratio
from bench.workers import Worker

RATIO = 12.0
P99_MS = 50.0

MESSAGE_BYTES = 200
#: Messages under way while the server is saturated: it always has the next one, and no socket's
#: pending bytes come near the bound at which the cable disconnects a slow reader.
IN_FLIGHT = 8
WARM_SECONDS = 1.0
OPEN_SECONDS = 60.0
OPEN_AT_ONCE = 40
ANSWER_SECONDS = 30.0
# Nothing arrived for so long: what has not come is lost, seconds.
LOST_AFTER = 3.0
# A slow stack gets longer rounds at half load, so that they hold so many messages; within bounds.
PACED_MESSAGES, PACED_SECONDS = 10, 20.0

METHOD = (
    f"{MESSAGE_BYTES}-byte messages of one stream, published by a process of its own; server CPU "
    f"is user and system time of the server's process. Saturated: {IN_FLIGHT} messages always "
    "under way. Latency: at half of that rate, at fixed times, from when a message was due to "
    "when a client read it. Figures are the median of the rounds in which other programs took "
    "little of a core; without such, the least disturbed one. History is on: each of our messages "
    "is stored in Valkey before it is sent."
)


def measure_stack(rig: Rig, stack: Stack, sockets: int, options: argparse.Namespace) -> Run:
    """One stack with so many subscribers of one stream.

    Raises:
        RigError: a socket did not open, or nothing was delivered.
    """
    stream = f"fanout-{secrets.token_hex(4)}"
    with (
        rig.server(stack) as server,
        rig.drivers(options.drivers, SequenceTally) as drivers,
        rig.worker(
            "publisher",
            SequencePublisher,
            rig.environment(stack),
            stack.kind,
            stream,
            MESSAGE_BYTES,
            drivers.counters,
        ) as publisher,
    ):
        targets = [stack.target(server.port, number, stream) for number in range(sockets)]
        opened = drivers.open(targets, at_once=OPEN_AT_ONCE, timeout=OPEN_SECONDS)
        if opened.failures:
            raise RigError(f"{stack.name}: sockets did not open: {dict(opened.failures)}")
        counted = Counted()
        meter = rig.meter(server, drivers, publisher)

        publisher.ask(Saturate(IN_FLIGHT, sockets), within=ANSWER_SECONDS)
        time.sleep(WARM_SECONDS)
        rounds: list[Round] = []
        while wants_another(rounds, options.rounds):
            meter.restart()
            before = drivers.delivered()
            time.sleep(options.seconds)
            rounds.append(Round(drivers.delivered() - before, meter.read()))
        _, lost_sockets = _settle(drivers, publisher, sockets, counted)
        if not (pace := saturated_round(rounds).per_second / sockets / 2):
            raise RigError(f"{stack.name}: nothing was delivered; it logged:\n{server.said()}")

        latencies: list[Latency] = []
        seconds = max(options.seconds, min(PACED_MESSAGES / pace, PACED_SECONDS))
        while wants_another(latencies, options.rounds if stack.kind == "cable" else 1):
            meter.restart()
            publisher.ask(Pace(pace), within=ANSWER_SECONDS)
            time.sleep(seconds)
            usage = meter.read()
            published, lost_now = _settle(drivers, publisher, sockets, of_round := Counted())
            lost_sockets += lost_now
            _add(counted, of_round)
            latencies.append(latency_of(of_round, published, usage))
    return Run(
        stack=stack.name,
        sockets=sockets,
        rounds=rounds,
        latencies=latencies,
        published=published.count,
        delivered=counted.delivered,
        lost=published.count * sockets - (counted.delivered - counted.duplicates),
        duplicates=counted.duplicates,
        disordered=counted.disordered,
        lost_sockets=lost_sockets,
    )


def _settle(
    drivers: Drivers, publisher: Worker, sockets: int, counted: Counted
) -> tuple[Published, int]:
    """Stop publishing and wait for what is under way; adds to `counted`.

    Returns what was published, and how many sockets were lost since the last call.
    """
    published: Published = publisher.ask(Stop(), within=ANSWER_SECONDS)
    seen, seen_at = drivers.delivered(), time.monotonic()
    while seen < published.count * sockets and time.monotonic() - seen_at < LOST_AFTER:
        time.sleep(0.01)
        if (now := drivers.delivered()) > seen:
            seen, seen_at = now, time.monotonic()
    time.sleep(0.2)  # what comes twice comes now
    taken = drivers.take()
    for tally in taken.tallies:
        _add(counted, tally)
    return published, taken.lost.total()


def _add(total: Counted, more: Counted) -> None:
    total.delivered += more.delivered
    total.duplicates += more.duplicates
    total.disordered += more.disordered
    total.latencies.extend(more.latencies)


def measure(options: argparse.Namespace) -> tuple[Result, list[str]]:
    """All stacks with all numbers of subscribers; raises `RigError`."""
    with Rig(sockets=max(options.subscribers)) as rig:
        result = Result("fanout", rig.cores, METHOD)
        runs: dict[tuple[str, int], Run] = {}
        for sockets in options.subscribers:
            for stack in stacks.BUDGETED if options.quick else stacks.ALL:
                progress(f"{stack.name}: {sockets} subscribers")
                runs[stack.name, sockets] = measure_stack(rig, stack, sockets, options)

    ours = [runs[stacks.OURS.name, sockets] for sockets in options.subscribers]
    cable = [run for run in runs.values() if run.stack.startswith("ours")]
    ratios = [
        run.saturated.per_cpu_second
        / runs[stacks.SHIPPED.name, run.sockets].saturated.per_cpu_second
        for run in ours
    ]
    result.parts = [
        ratio(min(ratios), budget=RATIO),
        below("p99", max(run.latency.p99 for run in ours), P99_MS, "ms"),
        none_of("lost", sum(run.lost for run in cable)),
        none_of("repeated", sum(run.duplicates for run in cable)),
        none_of("disordered", sum(run.disordered for run in cable)),
        none_of("sockets lost", sum(run.lost_sockets for run in cable)),
    ]
    result.doubts = report.doubts(
        [each.usage for run in runs.values() for each in (run.saturated, run.latency)]
    )
    result.figures |= {
        "message_bytes": MESSAGE_BYTES,
        "ratios": {str(run.sockets): each for run, each in zip(ours, ratios, strict=True)},
        "runs": [as_figures(run) for run in runs.values()],
    }
    return result, [runs_table(runs)]


def main(arguments: list[str]) -> int:
    parser = report.make_parser("fanout", __doc__)
    parser.add_argument(
        "--subscribers",
        type=report.positive,
        nargs="+",
        default=[200, 1000],
        metavar="N",
        help="sockets of the one stream, one run for each (%(default)s)",
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round (%(default)s)")
    parser.add_argument("--rounds", type=report.positive, default=3, help="(%(default)s)")
    options = parser.parse_args(arguments)
    return report.run("fanout", lambda: measure(options), options.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
