"""What the bench of slow readers found: rounds, runs, the verdict on them, a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.accounting import Usage
from bench.report import QUIET, share, table
from bench.sleepers import Woken
from bench.verdict import Part, at_most, none_of

P99_PERCENT = 110.0
#: 1 MiB for each of 100 that do not read, and a tenth more.
MEBIBYTES = 110.0


@dataclass(frozen=True)
class Window:
    """Latencies of those who read all the time, for a while, milliseconds."""

    p50: float
    p99: float
    worst: float
    messages: int
    usage: Usage


@dataclass(frozen=True)
class Round:
    """First all read, then some do not, then these come back."""

    without: list[Window]
    stalled: list[Window]
    recovering: Window
    #: Growth of the server's resident memory at its highest, bytes.
    grown: int
    #: From the first unread message until the server had let the last of them go.
    seconds: float
    #: How many it had let go by then.
    let_go: int
    woken: Woken

    @property
    def quiet(self) -> int:
        """Windows of the worse half that other programs did not disturb."""
        return min(len(_quiet(self.without)), len(_quiet(self.stalled)))


@dataclass(frozen=True)
class Run:
    stack: str
    sockets: int
    stalled: int
    per_second: float
    rounds: list[Round]
    published: int
    #: Messages to those who read all the time that did not come.
    lost: int
    #: Messages to those who did not, by what became of them.
    received: int
    repeated: int
    rejected: int
    unaccounted: int
    lost_sockets: int

    @property
    def p99_without(self) -> float:
        return _p99([window for each in self.rounds for window in each.without])

    @property
    def p99_stalled(self) -> float:
        return _p99([window for each in self.rounds for window in each.stalled])

    @property
    def p99_percent(self) -> float:
        return 100 * self.p99_stalled / self.p99_without

    @property
    def grown(self) -> int:
        return max(each.grown for each in self.rounds)

    @property
    def told(self) -> int:
        return sum(each.woken.too_slow + each.woken.closed for each in self.rounds)

    @property
    def back(self) -> int:
        return sum(each.woken.confirmed + each.woken.rejected for each in self.rounds)

    @property
    def naps(self) -> int:
        """How often anybody stopped reading."""
        return self.stalled * len(self.rounds)


def _quiet(windows: Sequence[Window]) -> list[Window]:
    return [each for each in windows if each.usage.disturbance < QUIET]


def _p99(windows: Sequence[Window]) -> float:
    """The median of the windows that other programs did not disturb; of all if there is none."""
    return median(each.p99 for each in _quiet(windows) or windows)


def parts(runs: Sequence[Run]) -> list[Part]:
    """The budget's; every run is held to it."""
    return [
        at_most("p99 of the others", max(run.p99_percent for run in runs), P99_PERCENT, "%"),
        at_most("memory", max(run.grown for run in runs) / 2**20, MEBIBYTES, "MiB"),
        none_of("not told", sum(run.naps - run.told for run in runs)),
        none_of("not back", sum(run.naps - run.back for run in runs)),
        none_of("unaccounted", sum(run.unaccounted for run in runs)),
        none_of("repeated", sum(run.repeated for run in runs)),
        none_of("lost by the others", sum(run.lost for run in runs)),
        none_of("sockets lost", sum(run.lost_sockets for run in runs)),
    ]


def summary(runs: Sequence[Run]) -> str:
    headings = [
        *(
            "stack",
            "messages/s",
            "p99 ms",
            "stalled",
            "worst window",
            "ratio",
            "recovering",
            "MiB",
            "let go s",
        ),
        *(
            "too_slow",
            "closed",
            "replayed",
            "rejected",
            "cut again",
            "failed",
            "unaccounted",
            "server",
        ),
    ]
    lines = []
    for run in runs:
        woken = [each.woken for each in run.rounds]
        lines.append(
            [
                run.stack,
                f"{run.per_second:.1f}",
                f"{run.p99_without:.1f}",
                f"{run.p99_stalled:.1f}",
                f"{max(window.p99 for each in run.rounds for window in each.stalled):.1f}",
                f"{run.p99_percent / 100:.2f}",
                f"{median(each.recovering.p99 for each in run.rounds):.1f}",
                f"{run.grown / 2**20:.1f}",
                f"{median(each.seconds for each in run.rounds):.1f}",
                f"{sum(each.too_slow for each in woken):,}",
                f"{sum(each.closed for each in woken):,}",
                f"{sum(each.confirmed for each in woken):,}",
                f"{sum(each.rejected for each in woken):,}",
                f"{sum(each.cut_again for each in woken):,}",
                f"{sum(sum(each.failed.values()) for each in woken):,}",
                f"{run.unaccounted:,}",
                share(median(w.usage.server_share for each in run.rounds for w in each.without)),
            ]
        )
    return table(headings, lines)
