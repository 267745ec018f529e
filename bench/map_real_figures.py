"""What became of real positions on the map: the run, the verdict on it, its doubts, a table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from bench import report
from bench.ingest_figures import FULL, Account, Latency
from bench.map_figures import AGE_MS, BYTES_PERCENT, FRAMES_PER_SECOND, Round
from bench.report import share, table
from bench.verdict import Part, at_most, below, none_of

#: Of the posts that are due, 0…1: fewer acknowledged means that the phones wait.
_KEPT_UP = 0.98


@dataclass(frozen=True)
class Real:
    technicians: int
    viewers: int
    #: Of the usages' drivers so many hold phones, the others maps.
    phone_processes: int
    rounds: list[Round]
    #: How long the same rounds' posts waited for their answers.
    answers: list[Latency]
    #: Mean bytes of a viewer of all, and of one with a viewport, in the same time; of a second.
    full_bytes: float
    viewport_bytes: float
    #: The most of one viewer within a second, by the server's time in them.
    frames_per_second: int
    #: Technicians who have a position at the end.
    on_map: int
    wrong: int
    went_back: int
    lost_sockets: int
    account: Account

    @property
    def least_disturbed(self) -> Round:
        return min(self.rounds, key=lambda each: each.usage.disturbance)

    @property
    def viewport_percent(self) -> float:
        return self.viewport_bytes / self.full_bytes * 100 if self.full_bytes else 0.0

    @property
    def posts_per_second(self) -> float:
        """Acknowledged, in the median round."""
        return median(each.fixes / each.usage.wall for each in self.rounds)

    def as_figures(self) -> dict[str, Any]:
        """For JSON."""
        return {
            **asdict(self),
            "posts_per_second": self.posts_per_second,
            "age_p50_ms": self.least_disturbed.age_p50,
            "age_p99_ms": self.least_disturbed.age_p99,
            "viewport_percent": self.viewport_percent,
        }


def real_parts(real: Real) -> list[Part]:
    """The budget's, which is that of made-up reports."""
    account = real.account
    lost = account.lost + account.unacknowledged + sum(account.failed.values())
    missing = real.technicians - real.on_map
    return [
        below("real age p99", real.least_disturbed.age_p99, AGE_MS, "ms"),
        at_most("real frames", real.frames_per_second, FRAMES_PER_SECOND, "a second"),
        at_most("real viewport", real.viewport_percent, BYTES_PERCENT, "%"),
        none_of("real wrong", real.wrong + real.went_back + real.lost_sockets + missing),
        none_of("real lost", lost),
    ]


def real_doubts(real: Real) -> list[str]:
    """Why the figures may be of the machine, and not of the product."""
    doubts = report.doubts([each.usage for each in real.rounds])
    usage = real.least_disturbed.usage
    if (core := usage.server_core / usage.wall) > FULL:
        own = share(usage.server_share)
        doubts.insert(0, f"the server's core was full ({share(core)}, the server itself {own})")
    if real.posts_per_second < real.technicians * _KEPT_UP:
        doubts.insert(
            0,
            f"{real.posts_per_second:,.0f} of {real.technicians:,} posts a second were answered, "
            "so that phones waited",
        )
    return [f"real: {each}" for each in doubts]


def real_table(real: Real) -> str:
    """One line, with who used the cores."""
    headings = [
        *("real", "viewers", "posts/s", "answer p50 ms", "p99 ms"),
        *("age p50 ms", "p99 ms", "max ms", "frames/s", "viewport", "wrong", "back", "failed"),
        *("server", "PostgreSQL", "phones", "maps", "Valkey", "other cores"),
    ]
    ages, usages = real.least_disturbed, [each.usage for each in real.rounds]
    answers = min(real.answers, key=lambda each: each.usage.disturbance)
    phones = real.phone_processes
    line = [
        f"{real.technicians:,} technicians",
        f"{real.viewers:,}",
        f"{real.posts_per_second:,.0f}",
        *(f"{each:.0f}" for each in (answers.p50, answers.p99)),
        *(f"{each:.0f}" for each in (ages.age_p50, ages.age_p99, ages.age_worst)),
        f"{real.frames_per_second:,}",
        f"{real.viewport_percent:.1f}%",
        f"{real.wrong:,}",
        f"{real.went_back:,}",
        f"{sum(real.account.failed.values()):,}",
        share(median(each.server_share for each in usages)),
        share(median(each.database / each.wall for each in usages)),
        share(median(sum(each.drivers[:phones]) / each.wall for each in usages)),
        share(median(sum(each.drivers[phones:]) / each.wall for each in usages)),
        share(median(each.valkey / each.wall for each in usages)),
        share(median(each.rig_share for each in usages)),
    ]
    return table(headings, [line])
