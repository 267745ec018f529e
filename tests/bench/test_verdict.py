"""From figures to the last line."""

from __future__ import annotations

import pytest

from bench.verdict import at_most, below, last_line, none_of, passed, percentile, ratio


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 1), (50, 5), (51, 6), (90, 9), (91, 10), (99, 10), (100, 10)]
)
def test_percentile_is_the_nearest_rank_of_unsorted_values(percent: float, expected: int) -> None:
    assert percentile([7, 3, 10, 1, 9, 2, 8, 5, 4, 6], percent) == expected


def test_percentile_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 99)


def test_the_last_line_of_a_bench_that_holds() -> None:
    parts = [
        ratio(14.26, budget=12),
        below("p99", 10.2, 50, "ms"),
        at_most("p95", 2.0, 2.0, "s"),
        none_of("lost", 0),
    ]
    assert last_line("fanout", parts) == (
        "fanout: 14.2x (budget 12x) · p99 11 ms (< 50) · p95 2 s (<= 2) · lost 0"
    )
    assert passed(parts)


def test_the_last_line_names_every_part_that_failed() -> None:
    parts = [
        ratio(11.99, budget=12),
        below("p99", 50.0, 50, "ms"),
        at_most("p95", 2.01, 2.0, "s"),
        none_of("lost", 1),
        none_of("twice", 0),
    ]
    assert last_line("fanout", parts) == (
        "fanout: 11.9x (budget 12x) · p99 50 ms (< 50) · p95 2.1 s (<= 2) · lost 1 · twice 0"
        " · FAILED: ratio, p99, p95, lost"
    )
    assert not passed(parts)


def test_a_ratio_without_budget_never_fails() -> None:
    assert passed([ratio(0.04)])
    assert last_line("avalanche", [ratio(1.39)]) == "avalanche: 1.3x (no budget)"


def test_a_ratio_that_reaches_its_budget_holds() -> None:
    assert passed([ratio(12.0, budget=12)])
