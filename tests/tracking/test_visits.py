"""What fixes say of a visit, what people say, and what counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from dispatch.models import Job
from tenants.context import company_scope
from tests.world import Persona
from tracking.models import Correction, Statement, Visit

pytestmark = pytest.mark.django_db

PhoneOf = Callable[..., Client]
PATH = "/api/v1/jobs/1/visits/"
NOTHING = {"arrived_at": None, "arrived_source": None, "left_at": None, "left_source": None}
# Statements are of the last weeks.
NINE = (timezone.now() - timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0)


def at(minutes: float) -> datetime:
    return NINE + timedelta(minutes=minutes)


def text(minutes: float | None) -> str | None:
    return None if minutes is None else at(minutes).isoformat().replace("+00:00", "Z")


def visit(
    persona: Persona,
    arrived: float,
    left: float | None,
    *,
    technician: int = 1,
    crossing: bool = False,
) -> None:
    left_at = None if left is None else at(left)
    with company_scope(persona.schema):
        Visit.objects.create(
            technician_id=technician,
            job_id=1,
            arrived_at=at(arrived),
            arrived_by=at(arrived),
            left_at=left_at,
            left_by=left_at,
            crossing=crossing,
        )


def say(client: Client, arrived: float | None, left: float | None = None) -> Any:
    body = {"arrived_at": text(arrived), "left_at": text(left)}
    return client.post(PATH, body, content_type="application/json")


def read(client: Client) -> dict[str, Any]:
    answer = client.get(PATH)
    assert answer.status_code == 200, answer.content
    return answer.json()


def counts(client: Client) -> tuple[Any, ...]:
    """(arrived, its source, left, its source) of what counts."""
    return tuple(read(client)["effective"].values())


def test_nothing_is_known_at_first(phone_of: PhoneOf, acme: Persona) -> None:
    assert read(phone_of(acme)) == {
        "visits": [],
        "statements": [],
        "corrections": [],
        "effective": NOTHING,
        "journey": {"distance": 0.0, "seconds": 0.0, "trips": 0},
        "on_site_seconds": None,
        "proposal": None,
    }


def test_everything_is_kept_and_told(phone_of: PhoneOf, acme: Persona, globex: Persona) -> None:
    visit(acme, -30, -29, crossing=True)
    visit(acme, 0, 20)
    visit(acme, 5, None, technician=2)
    visit(acme, 25, 60)
    visit(globex, 1, None)
    with company_scope(acme.schema):
        Correction.objects.create(
            job_id=1,
            technician_id=1,
            cause="late",
            before=[],
            after=[[text(0), text(20)]],
            corrected_at=at(70),
        )
    phone, office = phone_of(acme), phone_of(acme, acme.dispatcher)
    assert say(phone, 2, 58).status_code == 201
    said = say(office, None).json()
    assert datetime.fromisoformat(said.pop("stated_at")) <= timezone.now()
    assert said == {
        "technician_id": 1,
        "arrived_at": None,
        "left_at": None,
        "stated_by": {"id": 2, "name": "Dina Desk", "role": "dispatcher"},
    }
    known = read(phone)
    assert known == read(office)
    assert known["visits"] == [
        {"technician_id": who, "arrived_at": text(a), "left_at": text(b), "crossing": c}
        for who, a, b, c in (
            (1, -30, -29, True),
            (1, 0, 20, False),
            (2, 5, None, False),
            (1, 25, 60, False),
        )
    ]
    assert [
        (each["arrived_at"], each["left_at"], each["stated_by"]["id"])
        for each in known["statements"]
    ] == [(text(2), text(58), 3), (None, None, 2)]
    assert known["corrections"] == [
        {
            "technician_id": 1,
            "cause": "late",
            "before": [],
            "after": [[text(0), text(20)]],
            "corrected_at": text(70),
        }
    ]
    assert [row["arrived_at"] for row in read(phone_of(globex))["visits"]] == [text(1)]


def test_fixes_count_from_the_first_arrival_to_the_last_departure(
    phone_of: PhoneOf, acme: Persona
) -> None:
    phone = phone_of(acme)
    visit(acme, -30, -29, crossing=True)
    visit(acme, -20, -10, technician=2)
    assert counts(phone) == (None, None, None, None)
    visit(acme, 0, 20)
    assert counts(phone) == (text(0), "fixes", text(20), "fixes")
    visit(acme, 25, None)
    assert counts(phone) == (text(0), "fixes", None, None)


@pytest.mark.parametrize(
    ("arrived", "left", "expected"),
    [
        (2, 50, (2, "technician", 50, "technician")),
        (2, None, (2, "technician", 20, "fixes")),
        (20, None, (20, "technician", 20, "fixes")),
        (21, None, (21, "technician", None, None)),
        (None, None, (None, "technician", None, "technician")),
    ],
)
def test_what_the_technician_says_counts_before_the_fixes(
    arrived: float | None,
    left: float | None,
    expected: tuple[Any, ...],
    phone_of: PhoneOf,
    acme: Persona,
) -> None:
    phone = phone_of(acme)
    visit(acme, 0, 20)
    assert say(phone, 10, 11).status_code == 201
    assert say(phone, arrived, left).status_code == 201  # the latest counts
    at_, by, left_at, left_by = expected
    assert counts(phone) == (text(at_), by, text(left_at), left_by)


def test_the_button_counts_where_nothing_else_is_known(phone_of: PhoneOf, acme: Persona) -> None:
    phone = phone_of(acme)
    body = {"at": text(3)}
    assert phone.post("/api/v1/jobs/1/arrived/", body, content_type="application/json").json()
    assert counts(phone) == (text(3), "technician", None, None)
    visit(acme, 0, None)
    assert counts(phone) == (text(0), "fixes", None, None)


def test_an_arrival_is_proposed_and_confirmed_and_both_stay(
    phone_of: PhoneOf, acme: Persona
) -> None:
    phone = phone_of(acme)
    visit(acme, -30, -29, crossing=True)
    assert read(phone)["proposal"] is None
    visit(acme, 0, None)
    for status in ("assigned", "on_the_way"):
        with company_scope(acme.schema):
            Job.objects.update(status=status)
        assert read(phone)["proposal"] == {"status": "arrived", "at": text(0)}
    confirmed = phone.post(
        "/api/v1/jobs/1/arrived/",
        {"at": read(phone)["proposal"]["at"]},
        content_type="application/json",
    )
    assert (confirmed.status_code, confirmed.json()["arrived_at"]) == (200, text(0))
    known = read(phone)
    assert known["proposal"] is None
    assert [row["arrived_at"] for row in known["visits"]] == [text(-30), text(0)]


def test_a_statement_that_nobody_was_there_ends_the_proposal(
    phone_of: PhoneOf, acme: Persona
) -> None:
    phone = phone_of(acme)
    visit(acme, 0, 20)
    say(phone, None)
    assert read(phone)["proposal"] is None
    say(phone, 5)  # another time, but an arrival
    assert read(phone)["proposal"] == {"status": "arrived", "at": text(5)}


def test_fixes_of_another_technician_propose_nothing(phone_of: PhoneOf, acme: Persona) -> None:
    visit(acme, 0, None, technician=2)
    assert read(phone_of(acme))["proposal"] is None


def test_a_job_of_somebody_else_is_unknown(phone_of: PhoneOf, acme: Persona) -> None:
    other = phone_of(acme, acme.second_technician)
    for answer in (other.get(PATH), say(other, 0), other.get("/api/v1/jobs/9/visits/")):
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_job")
    with company_scope(acme.schema):
        assert not Statement.objects.exists()


def test_what_cannot_be_is_refused_and_not_kept(phone_of: PhoneOf, acme: Persona) -> None:
    phone = phone_of(acme)
    zone = at(10).isoformat()
    for arrived, left, message in (
        (10, 9, f"must be null or not before arrived_at, which is {zone}"),
        (None, 9, "must be null or not before arrived_at, which is null: nobody was there"),
    ):
        answer = say(phone, arrived, left)
        assert answer.status_code == 400
        assert answer.json()["errors"] == [
            {"field": "left_at", "value": at(9).isoformat(), "message": message}
        ]
    for field, minutes in (("arrived_at", 60 * 24 * 30), ("arrived_at", -60 * 24 * 61)):
        answer = say(phone, minutes)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == field
        assert answer.json()["errors"][0]["message"].startswith("must lie between ")
    answer = phone.post(PATH, {}, content_type="application/json")
    assert answer.json()["errors"] == [
        {"field": "arrived_at", "value": None, "message": "This field is required."}
    ]
    with company_scope(acme.schema):
        Job.objects.update(status="unassigned", technician=None)
    answer = say(phone_of(acme, acme.owner), 0)
    assert answer.status_code == 409
    assert answer.json()["errors"] == [
        {"field": "technician", "value": None, "message": "must be somebody: job 1 is unassigned"}
    ]
    with company_scope(acme.schema):
        assert not Statement.objects.exists()
