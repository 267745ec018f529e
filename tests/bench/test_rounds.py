"""Which rounds count: the undisturbed, and of these the middle one."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from bench.accounting import Usage
from bench.rounds import representative, wants_another


@dataclass(frozen=True)
class Round:
    p99: float
    usage: Usage


def measured(p99: float, disturbance: float) -> Round:
    usage = Usage(
        wall=1.0,
        server=0.5,
        valkey=0.0,
        publisher=0.0,
        drivers=[],
        server_core=0.5 + disturbance,
        other_cores=0.0,
        other_cores_count=1,
    )
    return Round(p99, usage)


@pytest.mark.parametrize(
    ("rounds", "counts"),
    [
        ([(30.0, 0.0), (90.0, 0.1), (118.0, 0.01)], 90.0),
        ([(30.0, 0.0), (90.0, 0.1)], 90.0),  # the worse of two
        ([(30.0, 0.0), (5.0, 0.5), (6.0, 0.5), (7.0, 0.5)], 30.0),  # disturbed ones do not count
        ([(30.0, 0.9), (90.0, 0.2), (20.0, 0.4)], 90.0),  # all disturbed: the least
    ],
)
def test_the_median_of_the_undisturbed_counts(
    rounds: list[tuple[float, float]], counts: float
) -> None:
    chosen = representative([measured(*each) for each in rounds], worse=lambda each: each.p99)
    assert chosen.p99 == counts


def test_rounds_go_on_until_enough_are_undisturbed_but_not_for_ever() -> None:
    quiet, disturbed = measured(1.0, 0.1), measured(1.0, 0.2)
    assert wants_another([], 2)
    assert wants_another([quiet, disturbed], 2)
    assert not wants_another([quiet, disturbed, quiet], 2)
    assert wants_another([disturbed] * 5, 2)
    assert not wants_another([disturbed] * 6, 2)
