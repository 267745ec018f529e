"""Who is best sent: every factor shown, and summing to the score."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tracking.eta import Estimate, Place, Sighting, estimate
from tracking.eta.air import by_air
from tracking.freshness import PositionState, Thresholds, position_state
from tracking.ranking import Candidate, Option, Promise, Ranked, Seen, Target, rank

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
SITE = Place(60.5, 26.9)
TARGET = Target("plumbing", SITE, NOW, NOW + HOUR)


def a_candidate(number: int = 1, **fields: Any) -> Candidate:
    age = fields.pop("age", 0)
    sighting = Sighting(age, position_state(age, Thresholds(60, 300, 1800)), None)
    facts: dict[str, Any] = {
        "id": number,
        "name": f"T{number}",
        "skills": frozenset(),
        "shifts": None,
        "seen": Seen(SITE, sighting),
        "current": None,
        "next": None,
    }
    return Candidate(**facts | fields)


def an_eta(minutes: float, *warnings: str) -> Estimate:
    seconds = round(minutes * 60)
    return Estimate(seconds, seconds, seconds, 1, "osrm", "high", list(warnings), 0)  # type: ignore[arg-type]


def an_option(
    number: int = 1,
    minutes: float | None = 10,
    *,
    free: float = 0,
    onward: float | None = None,
    warnings: tuple[str, ...] = (),
    **fields: Any,
) -> Option:
    return Option(
        a_candidate(number, **fields),
        round(free * 60),
        None if minutes is None else an_eta(minutes, *warnings),
        None if onward is None else round(onward * 60),
    )


def ranking(*options: Option, target: Target = TARGET) -> list[Ranked]:
    return rank(target, options, now=NOW, work=HOUR)


def judged(option: Option, target: Target = TARGET) -> tuple[Any, ...]:
    """Score in minutes, factors in minutes that are not 0, reasons."""
    (one,) = ranking(option, target=target)
    assert one.score is None or one.score == sum(factor.seconds for factor in one.factors)
    costs = {factor.name: factor.seconds / 60 for factor in one.factors if factor.seconds}
    return (None if one.score is None else one.score / 60, costs, one.blocks)


# --- Each factor by itself


def test_the_drive() -> None:
    assert judged(an_option(minutes=12.5)) == (12.5, {"travel": 12.5}, [])


def test_what_is_left_of_the_current_job() -> None:
    assert judged(an_option(minutes=5, free=20)) == (25, {"travel": 5, "current_job": 20}, [])


def test_a_minute_late_counts_threefold() -> None:
    assert judged(an_option(minutes=30, free=30)) == (60, {"travel": 30, "current_job": 30}, [])
    assert judged(an_option(minutes=32, free=30)) == (
        68,
        {"travel": 32, "current_job": 30, "late": 6},
        [],
    )


def test_who_comes_early_waits_for_nothing() -> None:
    later = Target("plumbing", SITE, NOW + 2 * HOUR, NOW + 3 * HOUR)
    assert judged(an_option(minutes=10), later) == (10, {"travel": 10}, [])


@pytest.mark.parametrize(
    ("promised", "late"),
    # There from 9:10 to 10:10, and ten minutes on.
    [(NOW + timedelta(minutes=80), 0), (NOW + timedelta(minutes=79), 1), (NOW + HOUR, 20)],
)
def test_the_next_customer_has_a_promise_too(promised: datetime, late: float) -> None:
    option = an_option(minutes=10, onward=10, next=Promise(9, SITE, promised))
    costs = {"travel": 10.0} | ({"next_job_late": 3.0 * late} if late else {})
    assert judged(option) == (10 + 3 * late, costs, [])


def test_the_next_job_is_reached_from_the_promised_beginning() -> None:
    later = Target("plumbing", SITE, NOW + HOUR, NOW + 2 * HOUR)
    option = an_option(minutes=10, onward=10, next=Promise(9, SITE, NOW + 2 * HOUR))
    assert judged(option, later) == (40, {"travel": 10, "next_job_late": 30}, [])


@pytest.mark.parametrize(
    ("age", "cost", "blocks"),
    [
        (59, 0, []),
        (60, 60, []),
        (299, 299, []),
        (300, 300, ["stale_position"]),
        (1800, 1800, ["lost_position"]),
    ],
)
def test_the_age_of_the_position(age: int, cost: int, blocks: list[str]) -> None:
    (one,) = ranking(an_option(minutes=10, age=age))
    assert (one.score, one.blocks) == (600 + cost, blocks)


def test_nobody_knows_where_one_is() -> None:
    assert judged(an_option(minutes=None, seen=None)) == (None, {}, ["no_position"])


@pytest.mark.parametrize(
    ("skills", "blocks"),
    [
        ([], []),
        (["plumbing"], []),
        (["heating", "plumbing"], []),
        (["heating"], ["lacks_skill"]),
    ],
)
def test_skills(skills: list[str], blocks: list[str]) -> None:
    assert judged(an_option(skills=frozenset(skills))) == (10, {"travel": 10}, blocks)


@pytest.mark.parametrize(
    ("shifts", "blocks"),
    [
        (None, []),
        ((), ["off_shift"]),
        (((NOW - HOUR, NOW + HOUR),), []),
        (((NOW, NOW + timedelta(minutes=10, seconds=1)),), []),
        (((NOW, NOW + timedelta(minutes=10)),), ["off_shift_at_arrival"]),
        (((NOW - HOUR, NOW),), ["off_shift"]),
        (((NOW + timedelta(seconds=1), NOW + HOUR),), ["off_shift"]),
        # A break between two shifts, and back in time.
        (((NOW - HOUR, NOW + timedelta(minutes=2)), (NOW + timedelta(minutes=9), NOW + HOUR)), []),
    ],
)
def test_shifts(shifts: Any, blocks: list[str]) -> None:
    assert judged(an_option(minutes=10, shifts=shifts)) == (10, {"travel": 10}, blocks)


def test_a_shift_must_hold_until_the_job_begins() -> None:
    later = Target("plumbing", SITE, NOW + HOUR, NOW + 2 * HOUR)
    option = an_option(minutes=10, shifts=((NOW, NOW + HOUR),))
    assert judged(option, later)[2] == ["off_shift_at_arrival"]


def test_where_no_road_leads_nobody_is_sent() -> None:
    assert judged(an_option(minutes=10, warnings=("no_route",)))[2] == ["no_route"]


def test_every_reason_is_told() -> None:
    option = an_option(age=400, skills=frozenset(["heating"]), shifts=())
    assert judged(option)[2] == ["lacks_skill", "stale_position", "off_shift"]


# --- The order


def order(found: list[Ranked]) -> list[tuple[int, int | None]]:
    return [(one.option.candidate.id, one.rank) for one in found]


def test_who_cannot_be_sent_stands_behind_all_who_can() -> None:
    found = ranking(
        an_option(1, 1, age=301),
        an_option(2, 2, shifts=()),
        an_option(3, None, seen=None),
        an_option(4, 50),
        an_option(5, 3, skills=frozenset(["heating"])),
        an_option(6, 40),
    )
    assert order(found) == [(6, 1), (4, 2), (2, None), (5, None), (1, None), (3, None)]


def test_equals_are_ordered_by_id() -> None:
    options = [an_option(number, 10) for number in (3, 1, 2)]
    assert order(ranking(*options)) == [(1, 1), (2, 2), (3, 3)]


def test_nobody() -> None:
    assert ranking() == []


# --- Many at random


def some_options(seed: int, count: int = 60, turned: float = 0) -> list[Option]:
    chance = random.Random(seed)

    def one(number: int) -> Option:
        place = Place(60 + chance.random(), (26 + chance.random() + turned + 180) % 360 - 180)
        age = chance.choice([3, 30, 90, 200, 400, 4_000])
        candidate = a_candidate(
            number,
            age=age,
            skills=frozenset(chance.sample(["plumbing", "heating", "electrical"], 2))
            if chance.random() < 0.5
            else frozenset(),
            shifts=chance.choice([None, None, (), ((NOW, NOW + HOUR / 2),)]),
            next=Promise(1, place, NOW + HOUR * chance.random()) if chance.random() < 0.5 else None,
        )
        assert candidate.seen
        site = Place(SITE.lat, (SITE.lon + turned + 180) % 360 - 180)
        leg = by_air(place, site, local=NOW)
        return Option(
            candidate,
            chance.choice([0, 0, 600, 1_800]),
            estimate(leg, candidate.seen.sighting),
            round(leg.seconds) if candidate.next else None,
        )

    return [one(number) for number in range(count)]


@pytest.mark.parametrize("seed", range(10))
def test_the_answer_does_not_depend_on_the_order_of_the_question(seed: int) -> None:
    options = some_options(seed)
    shuffled = random.Random(seed).sample(options, len(options))
    assert ranking(*shuffled) == ranking(*options)


@pytest.mark.parametrize("seed", range(10))
def test_one_more_changes_nothing_among_the_others(seed: int) -> None:
    options = some_options(seed)
    *others, added = options
    without = [(one.option.candidate.id, one.score) for one in ranking(*others)]
    found = ranking(*options)
    assert [
        (one.option.candidate.id, one.score) for one in found if one.option is not added
    ] == without


@pytest.mark.parametrize("by", [90, 153.4, -100])
def test_turning_the_earth_changes_nobodys_place(by: float) -> None:
    was, turned = (ranking(*some_options(4, turned=angle)) for angle in (0, by))
    # Seconds are whole, so that the last bit of a float may be one of them.
    scores = {one.option.candidate.id: one.score for one in was}
    for one in turned:
        assert one.score == pytest.approx(scores[one.option.candidate.id], abs=7)
    assert [order([one]) for one in turned[:5]] == [order([one]) for one in was[:5]]


@pytest.mark.parametrize("seed", range(10))
def test_factors_sum_to_scores_and_the_blocked_are_never_first(seed: int) -> None:
    found = ranking(*some_options(seed))
    for one in found:
        assert one.score == sum(factor.seconds for factor in one.factors)
        assert (one.rank is None) == bool(one.blocks)
        seen = one.option.candidate.seen
        assert seen
        if seen.sighting.state in (PositionState.STALE, PositionState.LOST):
            assert one.rank is None
    ranks = [one.rank for one in found if one.rank is not None]
    assert ranks == list(range(1, len(ranks) + 1))
    assert 0 < len(ranks) < len(found)
