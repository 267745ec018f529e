"""What the bench of positions found: rounds, runs, the verdict on them, a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.accounting import Usage
from bench.phones import Seen
from bench.report import share, table
from bench.rounds import representative
from bench.verdict import Part, below, none_of, percentile, ratio

RATIO = 20.0
FIXES_PER_SECOND = 40_000
P99_MS = 50.0
BATCH = 50
#: From this share of a core on, 0…1, it decided how fast a round was.
FULL = 0.95
# The operating system counts whole ones; a short round may show none, seconds.
_TICK = 0.01


@dataclass(frozen=True)
class Round:
    """So many fixes were acknowledged while uploads of `size` were always under way."""

    size: int
    fixes: int
    usage: Usage

    @property
    def per_second(self) -> float:
        return self.fixes / self.usage.wall

    @property
    def per_cpu_second(self) -> float:
        """Fixes for each CPU-second of the server."""
        return self.fixes / max(self.usage.server, _TICK)

    @property
    def server_core_share(self) -> float:
        """Of the server's core, 0…1, taken by anybody."""
        return self.usage.server_core / self.usage.wall

    @property
    def held_back_by_rig(self) -> bool:
        """The other cores were full while the server's was not."""
        return self.usage.rig_share > FULL and self.server_core_share <= FULL


@dataclass(frozen=True)
class Latency:
    """Of one round at a fixed rate, milliseconds from when a post was due."""

    rate: float
    posts: int
    p50: float
    p99: float
    worst: float
    #: How late the drivers themselves were at most.
    latest: float
    usage: Usage


def latency_of(seen: Seen, rate: float, usage: Usage) -> Latency:
    milliseconds = [seconds * 1000 for seconds in seen.latencies] or [math.inf]
    return Latency(
        rate=rate,
        posts=len(seen.latencies),
        p50=percentile(milliseconds, 50),
        p99=percentile(milliseconds, 99),
        worst=max(milliseconds),
        latest=seen.latest * 1000,
        usage=usage,
    )


def single_round(rounds: Sequence[Round]) -> Round:
    """The round of single posts that counts."""
    return representative(rounds, worse=lambda each: -each.per_cpu_second)


@dataclass
class Account:
    """Of a whole run: what was acknowledged and what is in the database, by company."""

    companies: list[str]
    acknowledged: list[int]
    rows: list[int]
    #: Uploads that were answered otherwise than they should be, by what came.
    failed: dict[str, int] = field(default_factory=dict)

    @property
    def lost(self) -> int:
        """Fixes that were acknowledged and are not there."""
        return sum(max(0, a - r) for a, r in zip(self.acknowledged, self.rows, strict=True))

    @property
    def unacknowledged(self) -> int:
        """Fixes that are there and were not acknowledged."""
        return sum(max(0, r - a) for a, r in zip(self.acknowledged, self.rows, strict=True))

    def parts(self) -> list[Part]:
        return [
            none_of("lost", self.lost),
            none_of("unacknowledged", self.unacknowledged),
            none_of("failed", sum(self.failed.values())),
        ]


@dataclass(frozen=True)
class Run:
    stack: str
    technicians: int
    singles: list[Round]
    batches: list[Round]
    latencies: list[Latency]
    account: Account

    @property
    def single(self) -> Round:
        return single_round(self.singles)

    @property
    def batch(self) -> Round | None:
        """The round of batches that counts; a stack that takes none has none."""
        if not self.batches:
            return None
        return representative(self.batches, worse=lambda each: -each.per_second)

    @property
    def latency(self) -> Latency | None:
        """The round at half load that counts, where there was one."""
        if not self.latencies:
            return None
        return representative(self.latencies, worse=lambda each: each.p99)

    def as_figures(self) -> dict[str, Any]:
        """For JSON: all that was measured and what was made of it."""
        batch = self.batch
        return {
            **asdict(self),
            "posts_per_second": self.single.per_second,
            "posts_per_cpu_second": self.single.per_cpu_second,
            "fixes_per_second": batch.per_second if batch else None,
            "fixes_per_cpu_second": batch.per_cpu_second if batch else None,
            "p50_ms": self.latency.p50 if self.latency else None,
            "p99_ms": self.latency.p99 if self.latency else None,
            "lost": self.account.lost,
            "unacknowledged": self.account.unacknowledged,
        }


def parts(ours: Run, baseline: Run) -> list[Part]:
    """The budget's."""
    return [
        ratio(ours.single.per_cpu_second / baseline.single.per_cpu_second, budget=RATIO),
        *([batches_part(ours.batch)] if ours.batch else []),
        *([below("p99", ours.latency.p99, P99_MS, "ms")] if ours.latency else []),
        *ours.account.parts(),
    ]


def batches_part(batch: Round) -> Part:
    """Judged by fixes a second; by those per CPU-second of the server when only the rig was full.

    The text says which, and why.
    """
    budget = f">= {FIXES_PER_SECOND:,}"
    per_second = f"{math.floor(batch.per_second):,} fixes/s"
    if not batch.held_back_by_rig:
        held = batch.per_second >= FIXES_PER_SECOND
        return Part("batches", f"batches {per_second} ({budget})", held)
    return Part(
        "batches",
        f"batches {math.floor(batch.per_cpu_second):,} fixes per CPU-second ({budget}; "
        f"{per_second} with the other cores {share(batch.usage.rig_share)} full, the server's "
        f"{share(batch.server_core_share)})",
        batch.per_cpu_second >= FIXES_PER_SECOND,
    )


def rounds_table(runs: Sequence[Run]) -> str:
    """A line for each stack and size of uploads, with who used the cores."""
    headings = [
        *("stack", "fixes a post", "posts/s", "fixes/s", "fixes per CPU-s"),
        *("server", "PostgreSQL", "drivers", "Valkey", "server's core", "other cores"),
    ]
    lines = []
    for run in runs:
        for each in (run.single, run.batch):
            if each is None:
                continue
            usage = each.usage
            lines.append(
                [
                    run.stack,
                    str(each.size),
                    f"{each.per_second / each.size:,.0f}",
                    f"{each.per_second:,.0f}",
                    f"{each.per_cpu_second:,.0f}",
                    share(usage.server_share),
                    share(usage.database / usage.wall),
                    share(sum(usage.drivers) / usage.wall),
                    share(usage.valkey / usage.wall),
                    share(each.server_core_share),
                    share(usage.rig_share),
                ]
            )
    return table(headings, lines)


def latencies_table(runs: Sequence[Run]) -> str:
    headings = [
        *("stack at half load", "posts/s", "p50 ms", "p99 ms", "max ms", "drivers late ms"),
        *("acknowledged", "rows", "failed"),
    ]
    lines = [
        [
            run.stack,
            *_latency_cells(run.latency),
            f"{sum(run.account.acknowledged):,}",
            f"{sum(run.account.rows):,}",
            f"{sum(run.account.failed.values()):,}",
        ]
        for run in runs
    ]
    return table(headings, lines)


def _latency_cells(latency: Latency | None) -> list[str]:
    if latency is None:
        return ["-"] * 5
    milliseconds = (latency.p50, latency.p99, latency.worst, latency.latest)
    return [f"{latency.rate:,.0f}", *(f"{each:.1f}" for each in milliseconds)]
