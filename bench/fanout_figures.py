"""The figures of the bench `fanout`: of one round, of one stack, and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import inf
from typing import Any

from bench import stacks
from bench.accounting import Usage
from bench.report import share, table
from bench.rounds import representative
from bench.sequence import Counted, Published
from bench.verdict import percentile


@dataclass(frozen=True)
class Round:
    """Deliveries of one round while the server was saturated."""

    delivered: int
    usage: Usage

    @property
    def per_second(self) -> float:
        return self.delivered / self.usage.wall

    @property
    def per_cpu_second(self) -> float:
        return self.delivered / self.usage.server


@dataclass(frozen=True)
class Latency:
    """Of one round at half load, milliseconds."""

    p50: float
    p99: float
    worst: float
    publisher_late: float
    usage: Usage


def saturated_round(rounds: Sequence[Round]) -> Round:
    """The round that counts."""
    return representative(rounds, worse=lambda each: -each.per_cpu_second)


@dataclass(frozen=True)
class Run:
    stack: str
    sockets: int
    rounds: list[Round]
    latencies: list[Latency]
    published: int
    delivered: int
    lost: int
    duplicates: int
    disordered: int
    lost_sockets: int

    @property
    def saturated(self) -> Round:
        return saturated_round(self.rounds)

    @property
    def latency(self) -> Latency:
        """The round that counts."""
        return representative(self.latencies, worse=lambda each: each.p99)


def as_figures(run: Run) -> dict[str, Any]:
    """For JSON: all that was measured and what was made of it."""
    return {
        **asdict(run),
        "deliveries_per_second": run.saturated.per_second,
        "deliveries_per_cpu_second": run.saturated.per_cpu_second,
        "p50_ms": run.latency.p50,
        "p99_ms": run.latency.p99,
    }


def latency_of(counted: Counted, published: Published, usage: Usage) -> Latency:
    """The figures of what was counted in one round at half load."""
    milliseconds = [seconds * 1000 for seconds in counted.latencies] or [inf]
    return Latency(
        p50=percentile(milliseconds, 50),
        p99=percentile(milliseconds, 99),
        worst=max(milliseconds),
        publisher_late=published.latest * 1000,
        usage=usage,
    )


def runs_table(runs: dict[tuple[str, int], Run]) -> str:
    """A line for each (stack, sockets); ratios are to what is shipped, with as many sockets."""
    headings = [
        *("stack", "sockets", "deliveries/s", "per CPU-s", "ratio", "p50 ms", "p99 ms"),
        *("lost", "twice", "server", "drivers", "Valkey"),
    ]
    lines = []
    for run in runs.values():
        base = runs[stacks.SHIPPED.name, run.sockets].saturated.per_cpu_second
        usage = run.saturated.usage
        lines.append(
            [
                run.stack,
                f"{run.sockets:,}",
                f"{run.saturated.per_second:,.0f}",
                f"{run.saturated.per_cpu_second:,.0f}",
                f"{run.saturated.per_cpu_second / base:.1f}",
                f"{run.latency.p50:.1f}",
                f"{run.latency.p99:.1f}",
                f"{run.lost:,}",
                f"{run.duplicates:,}",
                share(usage.server_share),
                share(sum(usage.drivers) / usage.wall),
                share(usage.valkey / usage.wall),
            ]
        )
    return table(headings, lines)
