"""In which order one technician best does what is left of the day: pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import permutations

import msgspec

# 5,040 orders are tried in some 25 ms; one job more takes eight times as long.
_TRIED = 7
# VROOM's own scale of how long to search, 0…5. Its authors' default.
_EXPLORATION = 5

Order = tuple[int, ...]


class Task(msgspec.Struct, frozen=True):
    """A job to be done, reached within its promised window if that can be."""

    id: int
    starts_at: datetime
    ends_at: datetime


class Stop(msgspec.Struct, frozen=True):
    """One job of a plan. Work begins on arrival, but not before the window does."""

    job_id: int
    drive_seconds: int
    arrives_at: datetime
    begins_at: datetime
    leaves_at: datetime
    late_seconds: int


class _Problem(msgspec.Struct, frozen=True):
    """Whole seconds since setting out; `windows[n]` is of the task whose place is n + 1."""

    seconds: list[list[int]]
    windows: list[tuple[int, int]]
    work: int

    def cost(self, order: Order) -> tuple[int, int]:
        """Seconds that customers wait beyond their windows, then seconds driven."""
        place = moment = late = driven = 0
        for number in order:
            drive = self.seconds[place][number + 1]
            opens, closes = self.windows[number]
            moment += drive
            late += max(0, moment - closes)
            moment = max(moment, opens) + self.work
            driven, place = driven + drive, number + 1
        return late, driven


def plan(
    tasks: Sequence[Task],
    seconds: Sequence[Sequence[float]],
    *,
    sets_out_at: datetime,
    work: timedelta,
) -> list[Stop]:
    """All tasks, in an order that lets customers wait little beyond their windows, then drives
    little.

    `seconds[i][j]` is the drive from place i to place j: place 0 is where the technician sets out,
    place n + 1 that of task n. Of up to seven tasks every order is tried. Of more, VROOM finds an
    order that keeps the windows. It leaves out what it cannot fit in, and with one technician only
    its order is often not the best: so the rest is put in, and jobs are moved while that helps.
    """
    # Equal questions get equal answers, however they are put.
    numbers = sorted(range(len(tasks)), key=lambda number: tasks[number].id)
    places = [0, *(number + 1 for number in numbers)]
    problem = _Problem(
        [[round(seconds[i][j]) for j in places] for i in places],
        [
            (
                _after(sets_out_at, tasks[number].starts_at),
                _after(sets_out_at, tasks[number].ends_at),
            )
            for number in numbers
        ],
        round(work.total_seconds()),
    )
    count = len(numbers)
    if count <= _TRIED:
        order = min(permutations(range(count)), key=problem.cost)
    else:
        order = _improve(problem, _fill(problem, _solve(problem)))
    return _walk([tasks[number] for number in numbers], problem, order, sets_out_at)


def _solve(problem: _Problem) -> Order:
    """The tasks that VROOM fits into their windows, in its order."""
    open_windows = [each for each in enumerate(problem.windows) if each[1][1] >= 0]
    if not open_windows:
        return ()
    # It brings pandas, 40 MB of memory and half a second: only to processes that plan.
    import vroom

    question = vroom.Input()
    question.set_durations_matrix("car", problem.seconds)
    question.add_vehicle(vroom.Vehicle(0, start=0))
    for number, (opens, closes) in open_windows:
        question.add_job(
            vroom.Job(
                number,
                location=number + 1,
                default_service=problem.work,
                time_windows=[vroom.TimeWindow(max(0, opens), closes)],
            )
        )
    routes = question.solve(exploration_level=_EXPLORATION, nb_threads=1).routes
    return tuple(int(place) - 1 for place in routes[routes.type == "job"].location_index)


def _fill(problem: _Problem, order: Order) -> Order:
    """With the tasks that are missing, each where it costs least."""
    for number in range(len(problem.windows)):
        if number not in order:
            order = min(_inserted(order, (number,)), key=problem.cost)
    return order


def _improve(problem: _Problem, order: Order) -> Order:
    """Move up to three neighbours, either way round, to where they cost least, while that gains."""
    best = problem.cost(order)
    while True:
        better = min(_moves(order), key=problem.cost)
        cost = problem.cost(better)
        if cost >= best:
            return order
        best, order = cost, better


def _moves(order: Order) -> Iterator[Order]:
    for length in (1, 2, 3):
        for begin in range(len(order) - length + 1):
            run = order[begin : begin + length]
            rest = order[:begin] + order[begin + length :]
            yield from _inserted(rest, run)
            if length > 1:
                yield from _inserted(rest, run[::-1])


def _inserted(order: Order, run: Order) -> Iterator[Order]:
    return (order[:index] + run + order[index:] for index in range(len(order) + 1))


def _walk(tasks: Sequence[Task], problem: _Problem, order: Order, moment: datetime) -> list[Stop]:
    stops, place = [], 0
    for number in order:
        task, drive = tasks[number], problem.seconds[place][number + 1]
        arrives = moment + timedelta(seconds=drive)
        begins = max(arrives, task.starts_at)
        moment = begins + timedelta(seconds=problem.work)
        late = max(0, _after(task.ends_at, arrives))
        stops.append(Stop(task.id, drive, arrives, begins, moment, late))
        place = number + 1
    return stops


def _after(moment: datetime, later: datetime) -> int:
    return round((later - moment).total_seconds())
