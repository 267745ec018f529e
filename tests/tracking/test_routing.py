"""The routing engine is asked as documented, within bounds, and done without when it fails."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.tracking.engines import FakeEngine
from tracking import measures
from tracking.eta import Place, Travel, travel
from tracking.eta.air import table_by_air
from tracking.eta.breaker import Breaker
from tracking.eta.engines import ENGINES
from tracking.eta.routing import Router

MORNING = datetime(2026, 11, 23, 10, tzinfo=UTC)
HOME, WORK, SHOP = Place(60.5, 26.9), Place(60.52, 26.95), Place(60.4, 26.8)


class Clock:
    time = 1000.0

    def __call__(self) -> float:
        return self.time


def go(sources: list[Place], targets: list[Place]) -> Travel:
    return travel(sources, targets, local=MORNING)


def by_air(*warnings: str) -> Travel:
    return Travel(table_by_air([HOME], [WORK], local=MORNING), warnings)


def counted(outcome: str) -> float:
    return measures.ROUTING.labels(outcome)._value.get()


# --- What is asked and answered


def test_a_table_by_road(engine: FakeEngine) -> None:
    table = {(HOME, SHOP): (100.5, 900.0), (HOME, WORK): (50.0, 800.0)}
    table |= {(WORK, SHOP): (70.0, 1_700.5), (WORK, WORK): (0.0, 0.0)}
    engine.roads = lambda source, target: table[source, target]
    found = go([HOME, WORK], [SHOP, WORK])
    assert engine.asked == [([HOME, WORK], [SHOP, WORK])]
    assert found.warnings == ()
    assert [[(leg.seconds, leg.meters) for leg in row] for row in found.legs] == [
        [(100.5, 900.0), (50.0, 800.0)],
        [(70.0, pytest.approx(1_700.5)), (0.0, 0.0)],
    ]
    assert {leg.provider for row in found.legs for leg in row} == {engine.kind}


def test_longitudes_and_latitudes_are_not_mixed_up(engine: FakeEngine) -> None:
    places = [Place(-89.123456, 179.654321), Place(0.000001, -180.0)]
    go(places, [Place(12.0, -0.5)])
    assert engine.asked == [(places, [Place(12.0, -0.5)])]


def test_a_large_table_is_asked_in_parts(engine: FakeEngine, settings: Any) -> None:
    settings.ROUTING_PART_PLACES = 3
    sources = [Place(60 + number / 100, 26) for number in range(7)]
    targets = [Place(61, 26 + number / 100) for number in range(4)]
    found = go(sources, targets)
    assert [(len(some), len(others)) for some, others in engine.asked] == [
        (3, 3), (3, 1), (3, 3), (3, 1), (1, 3), (1, 1),
    ]  # fmt: skip
    for row, source in zip(found.legs, sources, strict=True):
        for leg, target in zip(row, targets, strict=True):
            assert leg.seconds == engine.roads(source, target)[0]  # type: ignore[index]


def test_a_way_that_does_not_exist_is_estimated_and_said(engine: FakeEngine) -> None:
    engine.roads = lambda source, target: None if target == SHOP else (9.0, 90.0)
    ((shop, work),) = go([HOME], [SHOP, WORK]).legs
    ((air,),) = table_by_air([HOME], [SHOP], local=MORNING)
    assert (shop.seconds, shop.provider, shop.warnings) == (air.seconds, "estimate", ("no_route",))
    assert (work.seconds, work.provider, work.warnings) == (9.0, engine.kind, ())


def test_those_beyond_the_bound_are_not_asked(engine: FakeEngine, settings: Any) -> None:
    settings.ROUTING_MAX_SOURCES = 2
    found = go([HOME, SHOP, WORK], [WORK])
    assert engine.asked == [([HOME, SHOP], [WORK])]
    assert [(row[0].provider, row[0].warnings) for row in found.legs] == [
        (engine.kind, ()),
        (engine.kind, ()),
        ("estimate", ("not_routed",)),
    ]


def test_nobody_is_asked_about_nothing(engine: FakeEngine) -> None:
    assert go([], [WORK]) == Travel([])
    assert go([HOME], []) == Travel([[]])
    assert engine.asked == []


def test_without_an_engine_it_is_by_air_and_no_fault(settings: Any) -> None:
    assert settings.ROUTING_ENGINE == ""
    assert go([HOME], [WORK]) == by_air()


# --- Failures


def bad_answers(kind: str) -> dict[str, tuple[int, bytes]]:
    null, negative = json.dumps(None).encode(), {
        "osrm": {"code": "Ok", "durations": [[-1.0]], "distances": [[1.0]]},
        "valhalla": {"units": "kilometers", "sources_to_targets": [[{"time": -1, "distance": 1}]]},
    }[kind]  # fmt: skip
    too_wide = {
        "osrm": {"code": "Ok", "durations": [[1.0, 2.0]], "distances": [[1.0, 2.0]]},
        "valhalla": {
            "units": "kilometers",
            "sources_to_targets": [[{"time": 1, "distance": 1}] * 2],
        },
    }[kind]
    other = {
        "osrm": {"code": "NoTable", "message": "x"},
        "valhalla": {"units": "miles", "sources_to_targets": [[{"time": 1, "distance": 1}]]},
    }[kind]
    ragged = {
        "osrm": {"code": "Ok", "durations": [[1.0]], "distances": []},
        "valhalla": {"units": "kilometers", "sources_to_targets": []},
    }[kind]
    return {
        "500": (500, b"oh no"),
        "429": (429, b"{}"),
        "404": (404, b"<html>"),
        "302": (302, b""),
        "html": (200, b"<html>It works!</html>"),
        "null": (200, null),
        "empty": (200, b""),
        "half": (200, b'{"code": "Ok", "durations": [[1.'),
        "negative": (200, json.dumps(negative).encode()),
        "infinite": (200, json.dumps(negative).encode().replace(b"-1", b"1e999")),
        "too wide": (200, json.dumps(too_wide).encode()),
        "other": (200, json.dumps(other).encode()),
        "ragged": (200, json.dumps(ragged).encode()),
        "huge": (200, b" " * 2_000 + b"{}"),
    }


@pytest.mark.parametrize("what", bad_answers("osrm"))
def test_nonsense_is_done_without(what: str, engine: FakeEngine, settings: Any) -> None:
    settings.ROUTING_MAX_ANSWER_BYTES = 2_000
    engine.answers = [bad_answers(engine.kind)[what]]
    before = counted("failed")
    assert go([HOME], [WORK]) == by_air("routing_unavailable")
    assert counted("failed") == before + 1
    assert go([HOME], [WORK]).legs[0][0].provider == engine.kind


def test_a_failure_in_a_later_part_spoils_all_of_it(engine: FakeEngine, settings: Any) -> None:
    """Drives by road and by air are not compared with each other."""
    settings.ROUTING_PART_PLACES = 1
    good = {"osrm": b'{"code": "Ok", "durations": [[1]], "distances": [[1]]}'}
    good["valhalla"] = (
        b'{"units": "kilometers", "sources_to_targets": [[{"time": 1, "distance": 1}]]}'
    )
    engine.answers = [(200, good[engine.kind]), (500, b"")]
    found = go([HOME, SHOP], [WORK])
    assert [row[0].provider for row in found.legs] == ["estimate", "estimate"]
    assert found.warnings == ("routing_unavailable",)


def test_a_question_that_is_refused_is_no_failure(engine: FakeEngine, settings: Any) -> None:
    settings.ROUTING_FAILURES = 1
    engine.answers = [
        (400, b'{"code": "NoSegment", "message": "Could not find a matching segment"}'),
        (400, b'{"error_code": 171, "error": "No suitable edges near location"}'),
    ]
    assert go([HOME], [WORK]) == by_air("routing_refused")
    assert go([HOME], [WORK]) == by_air("routing_refused")
    assert go([HOME], [WORK]).legs[0][0].provider == engine.kind


def test_a_slow_engine_is_not_waited_for(engine: FakeEngine, settings: Any) -> None:
    settings.ROUTING_TIMEOUT_SECONDS = 0.2
    engine.released.clear()
    assert go([HOME], [WORK]) == by_air("routing_unavailable")
    assert len(engine.asked) == 1


def test_many_parts_have_one_deadline(engine: FakeEngine, settings: Any) -> None:
    settings.ROUTING_PART_PLACES = 1
    clock = Clock()

    def a_second(source: Place, target: Place) -> tuple[float, float]:
        clock.time += 1.5
        return 1.0, 1.0

    engine.roads = a_second
    router = Router(ENGINES[engine.kind](engine.url), clock)
    found = router.travel([HOME, SHOP, WORK, HOME], [WORK], local=MORNING)
    assert found.warnings == ("routing_unavailable",)
    assert len(engine.asked) == 3  # 4.5 s have passed, and 4 are allowed


def test_an_engine_that_is_away(settings: Any) -> None:
    settings.ROUTING_ENGINE, settings.ROUTING_URL = "osrm", "http://127.0.0.1:1"
    assert go([HOME], [WORK]) == by_air("routing_unavailable")


def test_too_many_at_once_do_not_wait(engine: FakeEngine, settings: Any) -> None:
    settings.ROUTING_MAX_CONCURRENT = 2
    settings.ROUTING_TIMEOUT_SECONDS = 20
    engine.released.clear()
    found: list[Travel] = []
    threads = [threading.Thread(target=lambda: found.append(go([HOME], [WORK]))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert engine.arrived.acquire(timeout=20)
    assert go([HOME], [WORK]) == by_air("routing_busy")
    engine.released.set()
    for thread in threads:
        thread.join()
    assert [one.warnings for one in found] == [(), ()]
    assert go([HOME], [WORK]).warnings == ()


# --- The breaker


def test_after_failures_the_engine_is_left_alone_for_a_while(engine: FakeEngine) -> None:
    clock = Clock()
    router = Router(ENGINES[engine.kind](engine.url), clock)
    engine.answers = [(500, b"")] * 4

    def ask() -> tuple[str, ...]:
        return router.travel([HOME], [WORK], local=MORNING).warnings

    before = counted("skipped")
    assert [ask() for _ in range(5)] == [("routing_unavailable",)] * 5
    assert (len(engine.asked), counted("skipped") - before) == (3, 2)
    clock.time += 29.9
    ask()
    assert len(engine.asked) == 3
    clock.time += 0.1
    assert ask() == ("routing_unavailable",)  # one tries, and fails again
    assert len(engine.asked) == 4
    assert ask() == ("routing_unavailable",)
    assert len(engine.asked) == 4
    clock.time += 30
    assert ask() == ()
    assert ask() == ()
    assert len(engine.asked) == 6


def test_only_failures_in_a_row_count() -> None:
    breaker = Breaker(failures=2, pause=10, clock=Clock())
    for _ in range(5):
        breaker.failed()
        assert breaker.lets_through()
        breaker.succeeded()
    breaker.failed()
    breaker.failed()
    assert not breaker.lets_through()


def test_only_one_finds_out_whether_it_is_well_again() -> None:
    clock = Clock()
    breaker = Breaker(failures=1, pause=10, clock=clock)
    breaker.failed()
    clock.time += 10
    assert [breaker.lets_through() for _ in range(3)] == [True, False, False]
    breaker.succeeded()
    assert [breaker.lets_through() for _ in range(3)] == [True, True, True]
