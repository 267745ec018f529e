"""From figures to a verdict: percentiles, the last line, the exit status."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` of all do not exceed (nearest rank).

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("no values to take a percentile of")
    rank = math.ceil(percent / 100 * len(values))
    return sorted(values)[max(rank, 1) - 1]


@dataclass(frozen=True)
class Part:
    """One promise of a budget: its name, what the last line says of it, whether it is kept."""

    name: str
    text: str
    holds: bool


def ratio(measured: float, *, budget: float | None = None) -> Part:
    """How many times better than the baseline; rounded down, so that a miss shows."""
    text = f"{math.floor(measured * 10) / 10:.1f}x"
    if budget is None:
        return Part("ratio", f"{text} (no budget)", holds=True)
    return Part("ratio", f"{text} (budget {budget:g}x)", measured >= budget)


def below(name: str, measured: float, budget: float, unit: str) -> Part:
    """A figure that must stay below its budget; rounded up to whole units."""
    return Part(name, f"{name} {math.ceil(measured)} {unit} (< {budget:g})", measured < budget)


def at_most(name: str, measured: float, budget: float, unit: str) -> Part:
    """A figure that may reach its budget; rounded up to a tenth."""
    rounded = math.ceil(measured * 10) / 10
    return Part(name, f"{name} {rounded:g} {unit} (<= {budget:g})", measured <= budget)


def none_of(name: str, count: int) -> Part:
    """Something that must not happen."""
    return Part(name, f"{name} {count}", count == 0)


def last_line(bench: str, parts: Sequence[Part]) -> str:
    """`NAME: 14.2x (budget 12x) · …`, with the names of the parts that failed at its end."""
    line = f"{bench}: " + " · ".join(part.text for part in parts)
    failed = [part.name for part in parts if not part.holds]
    return f"{line} · FAILED: {', '.join(failed)}" if failed else line


def passed(parts: Sequence[Part]) -> bool:
    return all(part.holds for part in parts)
