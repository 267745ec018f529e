"""The order of a technician's day."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tracking.planning import Stop, Task, plan

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WORK = 30 * MINUTE


def a_task(number: int, opens: float = 0, closes: float = 600) -> Task:
    """Begun between so many minutes from now."""
    return Task(number, NOW + opens * MINUTE, NOW + closes * MINUTE)


def on_a_line(*minutes: float) -> list[list[float]]:
    """Drives among places on one street, by their minutes from its end; the first is the start."""
    return [[abs(one - other) * 60 for other in minutes] for one in minutes]


def planned(tasks: list[Task], seconds: list[list[float]]) -> list[Stop]:
    return plan(tasks, seconds, sets_out_at=NOW, work=WORK)


def ids(stops: list[Stop]) -> list[int]:
    return [stop.job_id for stop in stops]


def test_no_jobs() -> None:
    assert planned([], [[0]]) == []


def test_the_shortest_way_through_all() -> None:
    tasks = [a_task(1), a_task(2), a_task(3)]
    assert ids(planned(tasks, on_a_line(0, 20, 10, 30))) == [2, 1, 3]


def test_when_one_is_where() -> None:
    stops = planned([a_task(7, opens=60), a_task(5)], on_a_line(0, 25, 10))
    at = [NOW + minutes * MINUTE for minutes in (10, 10, 40, 55, 60, 90)]
    assert stops == [
        Stop(5, 600, at[0], at[1], at[2], 0),
        Stop(7, 900, at[3], at[4], at[5], 0),
    ]


def test_promises_come_before_short_ways() -> None:
    tasks = [a_task(1), a_task(2), a_task(3, closes=35)]
    assert ids(planned(tasks, on_a_line(0, 10, 20, 30)))[0] == 3


def test_a_promise_that_cannot_be_kept_is_broken_least() -> None:
    """Both are an hour away and due in 50 minutes: the second waits for the first's work too."""
    stops = planned([a_task(1, closes=50), a_task(2, closes=50)], on_a_line(0, 60, 60))
    assert [stop.late_seconds / 60 for stop in stops] == [10, 40]


def test_one_that_was_missed_is_still_done() -> None:
    stops = planned([a_task(1, -120, -60), a_task(2, closes=60)], on_a_line(0, 10, 20))
    assert [(stop.job_id, stop.late_seconds) for stop in stops] == [(1, 70 * 60), (2, 0)]


def test_a_missed_one_in_far_past() -> None:
    (stop,) = planned([a_task(1, -20_000, -19_000)], on_a_line(0, 10))
    assert stop.late_seconds == 19_010 * 60


def a_day(seed: int, count: int) -> tuple[list[Task], list[list[float]]]:
    """Jobs in a city whose windows cannot always all be kept."""
    chance = random.Random(seed)
    places = [(chance.uniform(0, 40), chance.uniform(0, 40)) for _ in range(count + 1)]
    seconds = [[round(60.0 * (abs(a - c) + abs(b - d))) for c, d in places] for a, b in places]
    opens = [chance.randint(0, 25 * count) for _ in range(count)]
    tasks = [
        a_task(number, begin, begin + chance.randint(60, 240))
        for number, begin in enumerate(opens, 1)
    ]
    return tasks, seconds  # type: ignore[return-value]


def waited_and_driven(stops: list[Stop]) -> tuple[int, int]:
    return sum(stop.late_seconds for stop in stops), sum(stop.drive_seconds for stop in stops)


def in_order(order: tuple[int, ...], tasks: list[Task], seconds: list[list[float]]) -> Any:
    """Seconds that customers wait beyond their windows, and driven, by another reckoning."""
    place, moment, late, driven = 0, NOW, timedelta(), 0.0
    for number in order:
        drive = seconds[place][number + 1]
        moment += timedelta(seconds=drive)
        late += max(timedelta(), moment - tasks[number].ends_at)
        moment = max(moment, tasks[number].starts_at) + WORK
        driven, place = driven + drive, number + 1
    return late.total_seconds(), driven


@pytest.mark.parametrize("seed", range(12))
def test_of_a_few_jobs_the_best_order_is_found(seed: int) -> None:
    tasks, seconds = a_day(seed, 6)
    best = min(in_order(order, tasks, seconds) for order in itertools.permutations(range(6)))
    assert waited_and_driven(planned(tasks, seconds)) == best


@pytest.mark.parametrize("seed", range(6))
def test_of_many_jobs_no_better_order_is_near(seed: int) -> None:
    tasks, seconds = a_day(seed, 12)
    stops = planned(tasks, seconds)
    assert sorted(ids(stops)) == list(range(1, 13))
    found = waited_and_driven(stops)
    order = tuple(stop.job_id - 1 for stop in stops)
    assert in_order(order, tasks, seconds) == found
    for one, other in itertools.combinations(range(12), 2):
        moved = [*order[:one], *order[one + 1 :]]
        moved.insert(other, order[one])
        assert in_order(tuple(moved), tasks, seconds) >= found
    # Nor is it to go wherever is nearest, or is promised first.
    by_promise = tuple(sorted(range(12), key=lambda number: tasks[number].ends_at))
    assert found < in_order(by_promise, tasks, seconds)


def test_the_drives_need_not_be_the_same_both_ways() -> None:
    """A one-way street: from the first to the second it is far."""
    seconds = [[0, 60, 60], [0, 0, 3_000], [0, 60, 0]]
    assert ids(planned([a_task(1), a_task(2)], seconds)) == [2, 1]


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_the_question_does_not_matter(seed: int) -> None:
    chance = random.Random(seed)
    places = [chance.uniform(0, 90) for _ in range(9)]
    tasks = [a_task(number, closes=chance.uniform(60, 400)) for number in range(1, 9)]
    shuffled = chance.sample(range(8), 8)
    assert planned(
        [tasks[number] for number in shuffled],
        on_a_line(places[0], *(places[number + 1] for number in shuffled)),
    ) == planned(tasks, on_a_line(*places))


def test_many_jobs_along_a_road() -> None:
    tasks = [a_task(number, closes=60 * 24) for number in range(20)]
    stops = planned(tasks, on_a_line(0, *range(1, 21)))
    assert ids(stops) == list(range(20))


def test_many_jobs_that_were_all_missed() -> None:
    tasks = [a_task(number, -90, -30) for number in range(10)]
    assert sorted(ids(planned(tasks, on_a_line(0, *range(1, 11))))) == list(range(10))
