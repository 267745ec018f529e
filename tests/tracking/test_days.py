"""What belongs to which day, and what a day sums up to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tenants.context import company_scope
from tests.tracking.past import fix, trip, visit
from tests.world import Persona
from tracking.models import DayTotal
from tracking.queries.days import day_begins, day_figures, day_of

HELSINKI = ZoneInfo("Europe/Helsinki")


def utc(*fields: int) -> datetime:
    return datetime(*fields, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("zone", "day", "begins"),
    [
        ("UTC", date(2026, 11, 22), utc(2026, 11, 22)),
        ("Europe/Helsinki", date(2026, 11, 22), utc(2026, 11, 21, 22)),
        ("Asia/Kathmandu", date(2026, 11, 22), utc(2026, 11, 21, 18, 15)),
        # Clocks were put forward at midnight: the day began with 01:00.
        ("America/Sao_Paulo", date(2018, 11, 4), utc(2018, 11, 4, 3)),
        # Clocks are put back from 01:00: the day has two midnights.
        ("America/Havana", date(2026, 11, 1), utc(2026, 11, 1, 4)),
        ("America/Havana", date(2026, 11, 2), utc(2026, 11, 2, 5)),
        # A day that never was.
        ("Pacific/Apia", date(2011, 12, 30), utc(2011, 12, 30, 10)),
        ("Pacific/Apia", date(2011, 12, 31), utc(2011, 12, 30, 10)),
    ],
)
def test_a_day_begins_at_its_first_moment(zone: str, day: date, begins: datetime) -> None:
    assert day_begins(day, ZoneInfo(zone)) == begins
    assert day_begins(day, ZoneInfo(zone)).tzinfo is UTC


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Helsinki", date(2026, 3, 28), 24),
        ("Europe/Helsinki", date(2026, 3, 29), 23),
        ("Europe/Helsinki", date(2026, 10, 25), 25),
        ("America/Sao_Paulo", date(2018, 11, 4), 23),
        ("America/Havana", date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
    ],
)
def test_days_are_as_long_as_the_clocks_say(zone: str, day: date, hours: float) -> None:
    begins = day_begins(day, ZoneInfo(zone))
    ends = day_begins(date.fromordinal(day.toordinal() + 1), ZoneInfo(zone))
    assert (ends - begins).total_seconds() == hours * 3600
    assert day_of(begins, ZoneInfo(zone)) == day
    assert day_of(ends, ZoneInfo(zone)) == date.fromordinal(day.toordinal() + 1)


@pytest.fixture
def here(acme: Persona, db: None) -> Iterator[None]:
    with company_scope(acme.schema):
        yield


def figures(since: str, until: str, *, technician: int = 1) -> list[dict[str, Any]]:
    found = day_figures(
        technician=technician,
        since=date.fromisoformat(since),
        until=date.fromisoformat(until),
        zone=HELSINKI,
    )
    return [{name: getattr(day, name) for name in day.__struct_fields__} for day in found]


def day(of: str, **known: Any) -> dict[str, Any]:
    zero: dict[str, Any] = {
        "distance": 0.0,
        "travel_seconds": 0.0,
        "on_site_seconds": 0.0,
        "trips": 0,
        "visits": 0,
        "fixes": 0,
        "flagged": 0,
        "frozen": False,
    }
    return {"day": date.fromisoformat(of), **zero, **known}


def test_a_day_sums_up_what_began_on_it(here: None) -> None:
    trip("2026-03-28T06:00:00Z", "2026-03-28T06:20:00Z", distance=1500.25)
    trip("2026-03-28T12:00:00Z", "2026-03-28T12:00:30.5Z", distance=100.5)
    visit("2026-03-28T06:20:00Z", "2026-03-28T12:00:00Z")
    visit("2026-03-28T12:00:10Z", "2026-03-28T12:00:20Z", crossing=True)
    visit("2026-03-28T13:00:00Z", None)
    fix("2026-03-28T06:00:00Z")
    fix("2026-03-28T06:00:01Z", reason="outlier")
    trip("2026-03-28T06:00:00Z", "2026-03-28T07:00:00Z", distance=7.0, technician=2)
    fix("2026-03-28T06:00:00Z", technician=2)
    assert figures("2026-03-27", "2026-03-30") == [
        day("2026-03-27"),
        day(
            "2026-03-28",
            distance=1600.75,
            travel_seconds=1230.5,
            on_site_seconds=20400.0,
            trips=2,
            visits=2,
            fixes=2,
            flagged=1,
        ),
        day("2026-03-29"),
    ]


def test_over_midnight_the_day_of_the_beginning_counts(here: None) -> None:
    """Helsinki's 29th of March lasts from 22:00 to 21:00 UTC."""
    trip("2026-03-28T21:59:59.999999Z", "2026-03-28T23:00:00Z", distance=1.0)
    trip("2026-03-28T22:00:00Z", "2026-03-28T22:30:00Z", distance=2.0, technician=2)
    trip("2026-03-29T20:59:59Z", "2026-03-29T21:59:59Z", distance=4.0, technician=2)
    trip("2026-03-29T21:00:00Z", "2026-03-29T21:10:00Z", distance=8.0, technician=2)
    visit("2026-03-29T20:30:00Z", "2026-03-29T21:30:00Z", technician=2)
    fix("2026-03-29T20:59:59.999999Z", technician=2)
    fix("2026-03-29T21:00:00Z", technician=2)
    assert figures("2026-03-28", "2026-03-30") == [
        day("2026-03-28", distance=1.0, travel_seconds=3600.000001, trips=1),
        day("2026-03-29"),
    ]
    assert figures("2026-03-28", "2026-03-31", technician=2) == [
        day("2026-03-28"),
        day(
            "2026-03-29",
            distance=6.0,
            travel_seconds=5400.0,
            on_site_seconds=3600.0,
            trips=2,
            visits=1,
            fixes=1,
        ),
        day("2026-03-30", distance=8.0, travel_seconds=600.0, trips=1, fixes=1),
    ]


def test_a_total_counts_and_not_what_is_left_of_the_day(here: None) -> None:
    kept = {
        "distance": 5.5,
        "travel_seconds": 60.0,
        "on_site_seconds": 0.0,
        "trips": 1,
        "visits": 0,
        "fixes": 9,
        "flagged": 3,
    }
    DayTotal.objects.create(technician_id=1, day=date(2026, 3, 28), **kept)
    trip("2026-03-28T06:00:00Z", "2026-03-28T06:20:00Z", distance=99.0)
    visit("2026-03-28T07:00:00Z", "2026-03-28T08:00:00Z")
    fix("2026-03-28T06:00:00Z")
    fix("2026-03-29T06:00:00Z")
    assert figures("2026-03-28", "2026-03-30") == [
        day("2026-03-28", **kept, frozen=True),
        day("2026-03-29", fixes=1),
    ]
    assert figures("2026-03-28", "2026-03-29", technician=2) == [day("2026-03-28")]


def test_no_days_are_no_figures(here: None) -> None:
    assert figures("2026-03-28", "2026-03-28") == []
