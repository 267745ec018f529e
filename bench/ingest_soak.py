"""A long time at half load, with dispatchers who watch: does anything grow?"""

from __future__ import annotations

import argparse
import time
import urllib.request
from array import array
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from bench.accounting import Usage, resident_bytes
from bench.dispatchers import FleetAndMaps, open_maps
from bench.drivers import Counters
from bench.ingest_figures import P99_MS, Account, single_round
from bench.ingest_rounds import Uploads
from bench.ingest_stacks import Stack
from bench.machine import RigError
from bench.phones import Fleet
from bench.report import progress, share, table
from bench.rig import Rig
from bench.servers import ServerProcess
from bench.verdict import Part, at_most, below, none_of, percentile
from bench.websocket import Reader

SAMPLE_SECONDS = 10.0
GROWTH_PERCENT = 10.0
#: What a queue may hold more in the last third than in the first: uploads of so many seconds.
QUEUE_SECONDS = 0.05
OUTBOX_KB = 64.0
_METRICS_SECONDS = 10.0
_WAITING, _PENDING = "tracking_waiting_fixes", "cable_outbox_pending_bytes"
_LARGEST = "cable_outbox_largest_bytes"


@dataclass(frozen=True)
class Sample:
    """At one moment, and of the time since the one before."""

    resident: int
    waiting_fixes: float
    outbox_bytes: float
    outbox_largest: float
    posts: int
    p99: float
    usage: Usage


@dataclass(frozen=True)
class Soak:
    technicians: int
    viewers: int
    #: Single posts a second when saturated, and those that were due.
    limit: float
    rate: float
    samples: list[Sample]
    #: Of all posts, milliseconds.
    p50: float
    p99: float
    worst: float
    account: Account
    lost_sockets: int
    #: Viewers who got no message in all the time.
    unserved: int

    def growth(self, of: Callable[[Sample], float]) -> tuple[float, float]:
        """Means of the first and of the last third of the samples."""
        third = max(1, len(self.samples) // 3)
        first, last = self.samples[:third], self.samples[-third:]
        return fmean(map(of, first)), fmean(map(of, last))

    def as_figures(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class ViewerTally:
    """Counts the messages of each viewer."""

    def __init__(self, counters: Counters, index: int) -> None:
        self._messages: list[int] = []

    def reader(self) -> Reader:
        number = len(self._messages)
        self._messages.append(0)

        def read(data: bytes, start: int, end: int, now: int) -> None:
            self._messages[number] += 1

        return read

    def take(self) -> list[int]:
        """Of each viewer, ever."""
        return list(self._messages)


def measure_soak(
    rig: Rig,
    stack: Stack,
    server: ServerProcess,
    fleet: Fleet,
    uploads: Uploads,
    options: argparse.Namespace,
) -> Soak:
    """Find the limit, then post at half of it; raises `RigError`."""
    with rig.drivers(1, ViewerTally) as viewers:
        uploads.meter = rig.meter(server, FleetAndMaps(fleet, viewers))
        known = stack.world.viewers
        open_maps(viewers, server, [known[n % len(known)] for n in range(options.viewers)])
        singles = uploads.saturate(1, rounds=options.rounds, seconds=options.seconds)
        limit = single_round(singles).per_second
        progress(f"{limit:,.0f} posts/s; {limit / 2:,.0f} from now on")
        opened = sum(viewers.take().tallies[0])
        fleet.begin(1, rate=limit / 2)
        time.sleep(options.sample_seconds)
        uploads.count(fleet.take())
        samples: list[Sample] = []
        latencies: array[float] = array("d")
        deadline = time.monotonic() + options.soak_minutes * 60
        while time.monotonic() < deadline:
            samples.append(_sample(server, fleet, uploads, latencies, options.sample_seconds))
            if len(samples) % 6 == 0:
                progress(f"{len(samples)} samples, p99 {samples[-1].p99:.1f} ms")
        uploads.count(fleet.end())
        taken = viewers.take()
        if not sum(taken.tallies[0]) > opened:
            raise RigError(f"no viewer saw anything move; the server logged:\n{server.said()}")
        account = uploads.account()
    milliseconds = [1000 * each for each in latencies]
    return Soak(
        technicians=options.technicians,
        viewers=options.viewers,
        limit=limit,
        rate=limit / 2,
        samples=samples,
        p50=percentile(milliseconds, 50),
        p99=percentile(milliseconds, 99),
        worst=max(milliseconds),
        account=account,
        lost_sockets=taken.lost.total(),
        unserved=sum(not messages for messages in taken.tallies[0]),
    )


def _sample(
    server: ServerProcess, fleet: Fleet, uploads: Uploads, latencies: array[float], seconds: float
) -> Sample:
    uploads.meter.restart()
    time.sleep(seconds)
    usage, seen = uploads.meter.read(), fleet.take()
    uploads.count(seen)
    latencies.extend(seen.latencies)
    metrics = _metrics(server.port)
    return Sample(
        resident=resident_bytes(server.pid),
        waiting_fixes=metrics[_WAITING],
        outbox_bytes=metrics[_PENDING],
        outbox_largest=metrics[_LARGEST],
        posts=seen.uploads,
        p99=percentile(seen.latencies, 99) * 1000 if seen.latencies else float("inf"),
        usage=usage,
    )


def _metrics(port: int) -> dict[str, float]:
    """Sums by name; raises `RigError` when one that is wanted is missing."""
    with urllib.request.urlopen(
        f"http://127.0.0.1:{port}/metrics", timeout=_METRICS_SECONDS
    ) as answer:
        text = answer.read().decode()
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    if missing := {_WAITING, _PENDING, _LARGEST} - found.keys():
        raise RigError(f"/metrics does not have {', '.join(sorted(missing))}")
    return found


def soak_parts(soak: Soak) -> list[Part]:
    """The soak's own verdict."""
    before, after = soak.growth(lambda each: each.resident)
    waiting_before, waiting_after = soak.growth(lambda each: each.waiting_fixes)
    outbox_before, outbox_after = soak.growth(lambda each: each.outbox_bytes)
    queue = max(0.0, waiting_after - waiting_before)
    outbox = max(0.0, outbox_after - outbox_before) / 1000
    return [
        at_most("RSS growth", (after - before) / before * 100, GROWTH_PERCENT, "%"),
        at_most("queue growth", queue, round(soak.rate * QUEUE_SECONDS), "fixes"),
        at_most("outbox growth", outbox, OUTBOX_KB, "kB"),
        below("p99", soak.p99, P99_MS, "ms"),
        *soak.account.parts(),
        none_of("sockets lost", soak.lost_sockets),
        none_of("viewers without news", soak.unserved),
    ]


def soak_table(soak: Soak) -> str:
    """The thirds of the soak."""
    third = max(1, len(soak.samples) // 3)
    middle = soak.samples[third:-third] or soak.samples[:third]
    headings = [
        *("third", "posts/s", "p99 ms", "worst p99", "RSS MiB", "waiting fixes", "outbox kB"),
        *("largest kB", "server", "PostgreSQL", "other cores"),
    ]
    lines = []
    for name, part in (
        ("first", soak.samples[:third]),
        ("middle", middle),
        ("last", soak.samples[-third:]),
    ):
        lines.append([name, *_cells(part)])
    return table(headings, lines)


def _cells(part: Sequence[Sample]) -> list[str]:
    wall = sum(each.usage.wall for each in part)
    return [
        f"{sum(each.posts for each in part) / wall:,.0f}",
        f"{fmean(each.p99 for each in part):.1f}",
        f"{max(each.p99 for each in part):.1f}",
        f"{fmean(each.resident for each in part) / 2**20:.1f}",
        f"{fmean(each.waiting_fixes for each in part):.0f}",
        f"{fmean(each.outbox_bytes for each in part) / 1000:.1f}",
        f"{max(each.outbox_largest for each in part) / 1000:.1f}",
        share(fmean(each.usage.server_share for each in part)),
        share(fmean(each.usage.database / each.usage.wall for each in part)),
        share(fmean(each.usage.rig_share for each in part)),
    ]
