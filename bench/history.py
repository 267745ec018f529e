"""History: how long does one technician's day take to read, among a year of everybody's?"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from bench import report
from bench.accounting import Usage, busy_seconds, cpu_seconds, family_cpu_seconds
from bench.history_world import SCHEMA, Day, World, create_world, set_up
from bench.machine import RigError
from bench.report import Result, progress
from bench.rig import Rig
from bench.rounds import QUIET, representative, undisturbed, wants_another
from bench.verdict import below, none_of, percentile, ratio
from cable.servers.collector import tune_collector
from sera.services.postgres import PostgresServer

BUDGET_RATIO = 50.0
BUDGET_MS = 50.0
#: Each reads the whole table once.
BASELINE_QUERIES = 5
COLD_QUERIES = 60

METHOD = (
    "The product's own tables, filled with weekdays of 13 months in the order in which phones "
    "send, in a durable PostgreSQL with its default memory (128 MiB of buffers). The product's "
    "own query reads one page of a random technician's random day into objects. Warm: each day "
    "is asked for a second time. Cold: after a restart, nothing of its files in memory. Baseline: "
    "the same query on one core without an index. A round counts when other programs took at most "
    f"{QUIET:.0%} of the core."
)


@dataclass(frozen=True)
class Round:
    """One pass over the days; milliseconds."""

    milliseconds: list[float]
    rows: int
    usage: Usage

    @property
    def p50(self) -> float:
        return percentile(self.milliseconds, 50)

    @property
    def p99(self) -> float:
        return percentile(self.milliseconds, 99)


class Reader:
    """Asks as the product does."""

    def __init__(self, postgres: PostgresServer, cores: frozenset[int]) -> None:
        self._postgres, self._cores = postgres, cores

    def read(self, days: Sequence[Day]) -> Round:
        """Each day once."""
        from django.conf import settings

        from tracking.queries import fixes_of

        milliseconds, rows = [], 0
        started, ours, all_used = time.monotonic(), self._ours(), busy_seconds(self._cores)
        for day in days:
            asked = time.perf_counter()
            fixes = fixes_of(
                technician=day.technician, since=day.since, until=day.until, after=None
            )
            rows += len(list(fixes[: settings.FIXES_PAGE_SIZE]))
            milliseconds.append((time.perf_counter() - asked) * 1000)
        usage = Usage(
            wall=time.monotonic() - started,
            server=0.0,
            valkey=0.0,
            drivers=[],
            publisher=self._ours() - ours,
            server_core=0.0,
            other_cores=busy_seconds(self._cores) - all_used,
            other_cores_count=len(self._cores),
        )
        return Round(milliseconds, rows, usage)

    def _ours(self) -> float:
        """CPU time of this process and of PostgreSQL's, seconds."""
        server = self._postgres.pid
        if server is None:
            raise RigError("PostgreSQL is gone")
        return cpu_seconds(os.getpid()) + family_cpu_seconds(server)


@contextmanager
def company(*, indexes: bool = True) -> Iterator[None]:
    """The company's schema on a fresh connection; without indexes as if there were none."""
    from django.db import connection

    from tenants.context import company_scope

    with company_scope(SCHEMA):
        if not indexes:
            with connection.cursor() as cursor:
                for kind in ("indexscan", "indexonlyscan", "bitmapscan"):
                    cursor.execute(f"SET enable_{kind} = off")
                cursor.execute("SET max_parallel_workers_per_gather = 0")
        try:
            yield
        finally:
            # The settings stay with the server's session, and a pooled one would be used again.
            close_connections()


def close_connections() -> None:
    from django.db import connection

    connection.close()
    cast(Any, connection).close_pool()


def forget_files(postgres: PostgresServer) -> None:
    """Restart PostgreSQL, with nothing of its files in the machine's memory."""
    from django.db import connection

    close_connections()
    postgres.stop()
    for path in postgres.files.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)
    postgres.start()
    connection.settings_dict["PORT"] = str(postgres.port)


def variables(rig: Rig, postgres: PostgresServer) -> dict[str, str]:
    """What the product's settings ask for."""
    return {
        "DJANGO_SETTINGS_MODULE": "sera.settings",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "DATABASE_URL": postgres.url,
        "REDIS_URL": rig.valkey.url,
        "DATA_DIR": str(rig.folder / "data"),
    }


def measure(options: argparse.Namespace) -> tuple[Result, list[str]]:
    """Raises `RigError`."""
    with Rig(sockets=0, database=True) as rig:
        postgres = rig.postgres
        if postgres is None:
            raise RigError("there is no PostgreSQL")
        set_up(variables(rig, postgres))
        progress(f"storing {options.fixes:,} fixes of {options.technicians} technicians")
        world = create_world(postgres.url, technicians=options.technicians, fixes=options.fixes)
        reader = Reader(postgres, rig.cores.rest)
        days = world.days(options.queries, seed=1)
        tune_collector()  # as the product's server does; else the collector is the p99
        cold = None
        if not options.quick:
            progress("reading cold")
            forget_files(postgres)
            with company():
                cold = reader.read(world.days(COLD_QUERIES, seed=2))
        progress("reading warm")
        rounds: list[Round] = []
        with company():
            reader.read(days)
            while wants_another(rounds, options.rounds):
                rounds.append(reader.read(days))
        progress("reading without an index")
        with company(indexes=False):
            baseline = reader.read(days[:BASELINE_QUERIES])
        return summary(rig, world, rounds, cold, baseline)


def summary(
    rig: Rig, world: World, rounds: Sequence[Round], cold: Round | None, baseline: Round
) -> tuple[Result, list[str]]:
    warm = representative(rounds, worse=lambda each: each.p99)
    result = Result("history", rig.cores, METHOD)
    result.parts = [
        ratio(baseline.p50 / warm.p50, budget=BUDGET_RATIO),
        below("day p99", warm.p99, BUDGET_MS, "ms"),
        none_of("empty days", 0 if warm.rows and baseline.rows else 1),
    ]
    if not undisturbed(rounds):
        most = min(each.usage.disturbance for each in rounds)
        result.doubts.append(f"other programs took {most:.0%} of the core in the quietest round")
    named = {"warm": warm, "cold": cold, "no index": baseline}
    result.figures["fixes"] = world.fixes
    result.figures["technicians"] = len(world.technicians)
    result.figures["runs"] = [
        {"kind": kind, **asdict(each), "p50_ms": each.p50, "p99_ms": each.p99}
        for kind, each in named.items()
        if each is not None
    ]
    rows = [
        [
            kind,
            f"{len(each.milliseconds)}",
            f"{each.rows / len(each.milliseconds):,.0f}",
            f"{each.p50:,.1f}",
            f"{each.p99:,.1f}",
            f"{max(each.milliseconds):,.1f}",
        ]
        for kind, each in named.items()
        if each is not None
    ]
    headings = [f"a day of {world.fixes:,} fixes", "queries", "rows", "p50 ms", "p99 ms", "worst"]
    return result, [report.table(headings, rows)]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = report.make_parser("history", __doc__)
    parser.add_argument("--fixes", type=report.positive, default=10_000_000)
    parser.add_argument("--technicians", type=report.positive, default=50)
    parser.add_argument("--queries", type=report.positive, default=500)
    parser.add_argument("--rounds", type=report.positive, default=3)
    options = parser.parse_args(arguments)
    path: Path | None = options.json
    return report.run("history", lambda: measure(options), path)


if __name__ == "__main__":
    sys.exit(main())
