"""What the bench of the map found: rounds, runs, the verdict on them, a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.accounting import Usage
from bench.positions import VIEWPORTS
from bench.report import share, table
from bench.verdict import Part, at_most, below, none_of, ratio

RATIO = 10.0
AGE_MS = 500.0
FRAMES_PER_SECOND = 4
BYTES_PERCENT = 15.0

# The operating system counts whole ones; a short round may show none, seconds.
_TICK = 0.01


@dataclass(frozen=True)
class Round:
    """So many reports to so many viewers; ages in milliseconds."""

    fixes: int
    viewers: int
    delivered: int
    age_p50: float
    age_p99: float
    age_worst: float
    usage: Usage

    @property
    def cpu_us(self) -> float:
        """Server CPU of one report for one viewer, microseconds."""
        return max(self.usage.server, _TICK) / (self.fixes * self.viewers) * 1e6


@dataclass(frozen=True)
class Run:
    kind: str
    technicians: int
    rounds: list[Round]
    #: Mean bytes of a viewer of all, and of one with a viewport, in the same time; of a second.
    full_bytes: float
    viewport_bytes: float
    published: int
    publisher_late: float
    viewers: int
    #: Reports × viewers without viewport, by what became of them.
    delivered: int
    superseded: int
    #: The most of one viewer within a second: by the server's time in them, and by the clock of
    #: who reads them, to whom two come closer together when the first is held up.
    frames_per_second: int
    frames_per_second_read: int
    snapshots: int
    wrong: int
    went_back: int
    lost_sockets: int

    @property
    def cpu_us(self) -> float:
        return median(each.cpu_us for each in self.rounds)

    @property
    def least_disturbed(self) -> Round:
        return min(self.rounds, key=lambda each: each.usage.disturbance)

    @property
    def viewport_percent(self) -> float:
        return self.viewport_bytes / self.full_bytes * 100 if self.full_bytes else 0.0


def parts(ours: Sequence[Run], baseline: Run) -> list[Part]:
    """The budget's; ours are held to it however they were published."""
    frames = max(run.frames_per_second for run in ours)
    percent = max(run.viewport_percent for run in ours)
    return [
        ratio(min(baseline.cpu_us / run.cpu_us for run in ours), budget=RATIO),
        below("age p99", max(run.least_disturbed.age_p99 for run in ours), AGE_MS, "ms"),
        at_most("frames", frames, FRAMES_PER_SECOND, "a second"),
        at_most(f"viewport of {1 / VIEWPORTS:.0%}: bytes", percent, BYTES_PERCENT, "%"),
        none_of("wrong", sum(run.wrong for run in [*ours, baseline])),
        none_of("went back", sum(run.went_back for run in ours)),
        none_of("sockets lost", sum(run.lost_sockets for run in [*ours, baseline])),
    ]


def summary(runs: list[Run], baseline: Run) -> str:
    headings = [
        *("published as", "technicians", "viewers", "fixes/s", "us CPU per fix x viewer", "ratio"),
        *("age p50 ms", "p99 ms", "max ms", "superseded", "frames/s", "viewport"),
        *("wrong", "back", "server", "drivers", "Valkey"),
    ]
    lines = []
    for run in runs:
        usage = [each.usage for each in run.rounds]
        ages = run.least_disturbed
        lines.append(
            [
                run.kind,
                f"{run.technicians:,}",
                f"{run.viewers:,}",
                f"{median(each.fixes / each.usage.wall for each in run.rounds):,.0f}",
                f"{run.cpu_us:.2f}",
                f"{baseline.cpu_us / run.cpu_us:.1f}",
                f"{ages.age_p50:.0f}",
                f"{ages.age_p99:.0f}",
                f"{ages.age_worst:.0f}",
                f"{run.superseded:,}",
                f"{run.frames_per_second or run.frames_per_second_read:,}",
                f"{run.viewport_percent:.1f}%" if run.viewport_percent else "-",
                f"{run.wrong:,}",
                f"{run.went_back:,}",
                share(median(each.server_share for each in usage)),
                share(median(sum(each.drivers) / each.wall for each in usage)),
                share(median(each.valkey / each.wall for each in usage)),
            ]
        )
    return table(headings, lines)
