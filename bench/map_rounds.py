"""Rounds in which technicians report and viewers watch, and what these cost and saw."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from math import inf
from statistics import mean
from typing import Any

from bench import report
from bench.accounting import Meter
from bench.drivers import Drivers
from bench.map_figures import Round
from bench.map_viewers import Viewer, most_within
from bench.verdict import percentile

#: A server's times are told in milliseconds, and taken a little after the timer that decides:
#: five frames exactly a second apart from first to last may look a little closer, seconds.
STAMP_TOLERANCE = 0.01
WARM_SECONDS = 2.0
# Rounds, for each that was asked for, until one is undisturbed.
MOST_ROUNDS = 3


def measure_round(
    drivers: Drivers, meter: Meter, count: Callable[[], int], *, viewers: int, seconds: float
) -> Round:
    """One round; `count` tells the reports until now. Takes what was seen since the last."""
    before = count()
    meter.restart()
    time.sleep(seconds)
    usage = meter.read()
    fixes = count() - before
    ages = [age * 1000 for tally in drivers.take().tallies for age in tally.ages]
    ages = ages or [inf]
    return Round(
        fixes=fixes,
        viewers=viewers,
        delivered=len(ages) if ages[0] < inf else 0,
        age_p50=percentile(ages, 50),
        age_p99=percentile(ages, 99),
        age_worst=max(ages),
        usage=usage,
    )


def wants_another(rounds: Sequence[Round], wanted: int) -> bool:
    """More rounds than asked for are made as long as other programs disturbed all of them."""
    if len(rounds) < wanted:
        return True
    quiet = any(each.usage.disturbance < report.QUIET for each in rounds)
    return not quiet and len(rounds) < wanted * MOST_ROUNDS


def compare_viewports(drivers: Drivers, seconds: float) -> tuple[float, float]:
    """Mean bytes a second of a viewer of all, and of one with a viewport."""
    before = [viewer.bytes for viewer in viewers_of(drivers.take().tallies)]
    time.sleep(seconds)
    of_full: list[float] = []
    of_viewport: list[float] = []
    for old, new in zip(before, viewers_of(drivers.take().tallies), strict=True):
        received = of_full if new.viewport is None else of_viewport
        received.append((new.bytes - old) / seconds)
    return mean(of_full), mean(of_viewport)


def viewers_of(tallies: Sequence[Any]) -> list[Viewer[Any]]:
    """The viewers of all drivers."""
    return [viewer for tally in tallies for viewer in tally.viewers]


def most_frames(viewers: Sequence[Viewer[Any]]) -> int:
    """The most that one viewer got within a second, by the server's time in them."""
    return max(most_within(1 - STAMP_TOLERANCE, viewer.made_at) for viewer in viewers)
