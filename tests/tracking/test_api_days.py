"""A technician's days and trips over REST."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.test import Client

from tenants.context import company_scope, platform_scope
from tenants.models import Tenant
from tenants.queries import forget_hosts
from tests.tracking.past import fix, moment, trip, visit
from tests.world import Persona
from tracking.models import DayTotal

pytestmark = pytest.mark.django_db

PhoneOf = Callable[..., Client]
DAYS = "/api/v1/technicians/1/days/"
TRIPS = "/api/v1/trips/"


def test_days_that_are_stored_and_days_that_are_frozen(phone_of: PhoneOf, acme: Persona) -> None:
    with company_scope(acme.schema):
        DayTotal.objects.create(
            technician_id=1,
            day=date(2026, 11, 20),
            distance=12.5,
            travel_seconds=60,
            on_site_seconds=30.5,
            trips=2,
            visits=1,
            fixes=40,
            flagged=4,
        )
        trip("2026-11-21T10:00:00Z", "2026-11-21T10:30:00Z", distance=2000.25)
        visit("2026-11-21T10:30:00Z", "2026-11-21T11:00:00Z")
        fix("2026-11-21T10:00:00Z", reason="outlier")
        trip("2026-11-22T00:00:00Z", "2026-11-22T00:30:00Z")
    answer = phone_of(acme, acme.dispatcher).get(f"{DAYS}?since=2026-11-20&until=2026-11-22")
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "time_zone": "UTC",
            "results": [
                {
                    "day": "2026-11-20",
                    "distance": 12.5,
                    "travel_seconds": 60.0,
                    "on_site_seconds": 30.5,
                    "trips": 2,
                    "visits": 1,
                    "fixes": 40,
                    "flagged": 4,
                    "frozen": True,
                },
                {
                    "day": "2026-11-21",
                    "distance": 2000.25,
                    "travel_seconds": 1800.0,
                    "on_site_seconds": 1800.0,
                    "trips": 1,
                    "visits": 1,
                    "fixes": 1,
                    "flagged": 1,
                    "frozen": False,
                },
            ],
        },
    )


def test_days_are_the_companys(phone_of: PhoneOf, acme: Persona, globex: Persona) -> None:
    for persona, distance in ((acme, 1.5), (globex, 2.5)):
        with company_scope(persona.schema):
            trip("2026-11-21T21:59:59Z", "2026-11-21T22:10:00Z", distance=distance)
            trip("2026-11-21T22:00:00Z", "2026-11-21T22:10:00Z", distance=distance * 10)
    with platform_scope():
        Tenant.objects.filter(schema_name="globex").update(time_zone="Europe/Helsinki")
        forget_hosts()
    try:
        for persona, distance, zone in ((acme, 16.5, "UTC"), (globex, 2.5, "Europe/Helsinki")):
            owner = phone_of(persona, persona.owner)
            answer = owner.get(f"{DAYS}?since=2026-11-21&until=2026-11-22").json()
            assert answer["time_zone"] == zone
            assert [day["distance"] for day in answer["results"]] == [distance]
    finally:
        forget_hosts()


@pytest.mark.parametrize(
    ("query", "field", "value", "message"),
    [
        ("until=2026-11-22", "since", None, "is required: a day, such as 2026-11-22"),
        ("since=2026-11-22", "until", None, "is required: a day, such as 2026-11-22"),
        (
            "since=2026-11-22T00:00:00Z&until=2026-11-23",
            "since",
            "2026-11-22T00:00:00Z",
            "must be a day, such as 2026-11-22",
        ),
        (
            "since=2026-11-22&until=9999-12-31",
            "until",
            "9999-12-31",
            "must be a day, such as 2026-11-22",
        ),
        (
            "since=2026-11-22&until=2026-11-22",
            "until",
            "2026-11-22",
            "must be 1 to 92 days after since",
        ),
        (
            "since=2026-11-22&until=2027-02-23",
            "until",
            "2027-02-23",
            "must be 1 to 92 days after since",
        ),
    ],
)
def test_a_wrong_day_is_named(
    query: str, field: str, value: str | None, message: str, phone_of: PhoneOf, acme: Persona
) -> None:
    response = phone_of(acme).get(f"{DAYS}?{query}")
    assert (response.status_code, response.json()) == (
        400,
        {"errors": [{"field": field, "value": value, "message": message}]},
    )


def test_the_longest_range_is_answered(phone_of: PhoneOf, acme: Persona) -> None:
    answer = phone_of(acme).get(f"{DAYS}?since=2026-11-22&until=2027-02-22").json()
    assert len(answer["results"]) == 92
    assert answer["results"][-1]["day"] == "2027-02-21"


# --- Trips


def trips(client: Client, **query: Any) -> dict[str, Any]:
    response = client.get(TRIPS, {"technician": 1, **query})
    assert response.status_code == 200, response.content
    return response.json()


def test_trips_in_the_order_of_their_start(phone_of: PhoneOf, acme: Persona) -> None:
    with company_scope(acme.schema):
        trip("2026-11-21T12:00:00.000001Z", "2026-11-21T12:30:00Z", distance=10.5)
        trip("2026-11-21T10:00:00Z", "2026-11-21T10:30:00Z")
        trip("2026-11-21T11:00:00Z", "2026-11-21T11:30:00Z", technician=2)
    answer = trips(phone_of(acme, acme.dispatcher))
    assert [each["started_at"] for each in answer["results"]] == [
        "2026-11-21T10:00:00Z",
        "2026-11-21T12:00:00.000001Z",
    ]
    assert answer["results"][1] == {
        "technician_id": 1,
        "started_at": "2026-11-21T12:00:00.000001Z",
        "ended_at": "2026-11-21T12:30:00Z",
        "start_lat": 1.0,
        "start_lon": 2.0,
        "end_lat": 1.5,
        "end_lon": 2.5,
        "distance": 10.5,
        "fixes": 2,
    }
    assert answer["next"] is None


@pytest.mark.parametrize("limit", [1, 2, 4, 5])
def test_every_trip_is_on_one_page(limit: int, phone_of: PhoneOf, acme: Persona) -> None:
    starts = [f"2026-11-21T10:0{minute}:00.00000{minute}Z" for minute in range(1, 6)]
    with company_scope(acme.schema):
        for start in starts:
            trip(start, "2026-11-21T11:00:00Z")
    client, found, after = phone_of(acme), [], {}
    while True:
        answer = trips(client, limit=limit, **after)
        found.append([each["started_at"] for each in answer["results"]])
        if answer["next"] is None:
            break
        after = {"after": answer["next"]}
    assert [start for page in found for start in page] == starts
    assert {len(page) for page in found[:-1]} <= {limit}


def test_trips_that_started_within_a_time(phone_of: PhoneOf, acme: Persona, settings: Any) -> None:
    settings.TRIPS_PAGE_SIZE = 2
    with company_scope(acme.schema):
        for hour in range(4):
            trip(f"2026-11-21T1{hour}:00:00Z", "2026-11-21T15:00:00Z", distance=float(hour))
    client = phone_of(acme)
    bounds = {"since": "2026-11-21T11:00:00Z", "until": "2026-11-21T15:00:00+02:00"}
    answer = trips(client, **bounds)
    assert ([each["distance"] for each in answer["results"]], answer["next"]) == ([1, 2], None)
    assert moment(trips(client)["next"]) == moment("2026-11-21T11:00:00Z")


def test_whose_trips_and_days_are_read_by_whom(phone_of: PhoneOf, acme: Persona) -> None:
    with company_scope(acme.schema):
        trip("2026-11-21T10:00:00Z", "2026-11-21T10:30:00Z", distance=1.0)
        trip("2026-11-21T10:00:00Z", "2026-11-21T10:30:00Z", distance=2.0, technician=2)
    own, office = phone_of(acme), phone_of(acme, acme.dispatcher)
    owner = phone_of(acme, acme.owner)
    for client, number, wanted in (
        (own, 1, [1.0]),
        (office, 2, [2.0]),
        (owner, 2, [2.0]),
        (own, 2, None),
        (office, 3, None),
    ):
        for url in (
            f"/api/v1/technicians/{number}/days/?since=2026-11-21&until=2026-11-22",
            f"{TRIPS}?technician={number}",
        ):
            response = client.get(url)
            if wanted is None:
                assert (response.status_code, response.json()) == (
                    404,
                    {"detail": f"there is no technician {number}", "code": "unknown_technician"},
                )
            else:
                assert [each["distance"] for each in response.json()["results"]] == wanted


@pytest.mark.parametrize(
    ("query", "field", "value"),
    [
        ({}, "technician", None),
        ({"technician": "0"}, "technician", "0"),
        ({"technician": "1", "limit": "501"}, "limit", "501"),
        ({"technician": "1", "since": "2026-11-22"}, "since", "2026-11-22"),
        ({"technician": "1", "until": "x"}, "until", "x"),
        ({"technician": "1", "after": "MjAyNg=="}, "after", "MjAyNg=="),
    ],
)
def test_a_wrong_parameter_of_trips_is_named(
    query: dict[str, str], field: str, value: str | None, phone_of: PhoneOf, acme: Persona
) -> None:
    response = phone_of(acme).get(TRIPS, query)
    (error,) = response.json()["errors"]
    assert (response.status_code, error["field"], error["value"]) == (400, field, value)
