"""Which of several rounds counts, on a machine that others may use at the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from bench.accounting import Usage

#: A round counts as undisturbed when other programs took at most this part of any core, 0…1.
QUIET = 0.15
#: Rounds for each that was asked for, until so many were undisturbed.
MOST_ROUNDS = 3


class Measured(Protocol):
    @property
    def usage(self) -> Usage: ...


AnyRound = TypeVar("AnyRound", bound=Measured)


def undisturbed(rounds: Sequence[AnyRound]) -> list[AnyRound]:
    """The rounds whose figures are the server's own."""
    return [each for each in rounds if each.usage.disturbance <= QUIET]


def wants_another(rounds: Sequence[Measured], asked: int) -> bool:
    """Whether to go on until as many as asked for are undisturbed; within bounds."""
    return len(undisturbed(rounds)) < asked and len(rounds) < asked * MOST_ROUNDS


def representative(rounds: Sequence[AnyRound], *, worse: Callable[[AnyRound], float]) -> AnyRound:
    """The median of the undisturbed rounds; of two in the middle, the worse.

    `worse` grows with how bad a round is. When all were disturbed, the one that was least so,
    whatever it measured.
    """
    if quiet := sorted(undisturbed(rounds), key=worse):
        return quiet[len(quiet) // 2]
    return min(rounds, key=lambda each: each.usage.disturbance)
