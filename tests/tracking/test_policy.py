"""How a company tracks: read, changed, and what follows from a change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import pytest
from django.test import Client

from tenants.context import company_scope
from tests.isolation.routes import POLICY
from tests.world import Persona
from tracking.models import Policy, Recount, Track
from tracking.queries import policy

pytestmark = pytest.mark.django_db

PhoneOf = Callable[..., Client]
PATH = "/api/v1/policy/"
DEFAULTS = {**POLICY, "accept": "on_shift"}
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
NUMBERS = {
    "max_accuracy": "a number from 5 to 5,000 (metres)",
    "max_speed": "a number from 5 to 400 (m/s)",
    "stop_radius": "a number from 10 to 1,000 (metres)",
    "stop_seconds": "a number from 30 to 3,600",
    "site_radius": "a number from 20 to 2,000 (metres)",
    "delayed_seconds": "a whole number from 5 to 2,147,483,647",
    "stale_seconds": "a whole number from 0 to 2,147,483,647",
    "lost_seconds": "a whole number from 0 to 86,400",
    "retention_days": "a whole number from 1 to 3,650",
}


@pytest.fixture
def owner(phone_of: PhoneOf, acme: Persona) -> Client:
    return phone_of(acme, acme.owner)


@pytest.fixture(autouse=True)
def _tracks(acme: Persona, globex: Persona) -> None:
    """Both technicians of both companies have one."""
    for persona in (acme, globex):
        with company_scope(persona.schema):
            Track.objects.bulk_create(Track(technician_id=pk) for pk in (1, 2))


def change(client: Client, method: str = "patch", **fields: Any) -> Any:
    return getattr(client, method)(PATH, fields, content_type="application/json")


def recounts(persona: Persona) -> list[tuple[int, datetime, str]]:
    with company_scope(persona.schema):
        rows = Recount.objects.order_by("technician_id")
        return list(rows.values_list("technician_id", "since", "cause"))


def test_without_a_row_the_defaults_hold(owner: Client, phone_of: PhoneOf, acme: Persona) -> None:
    assert owner.get(PATH).json() == DEFAULTS
    assert phone_of(acme, acme.dispatcher).get(PATH).json() == DEFAULTS
    with company_scope(acme.schema):
        assert policy().max_accuracy == 100
        assert not Policy.objects.exists()


def test_only_owners_change_it_and_technicians_do_not_read_it(
    phone_of: PhoneOf, acme: Persona
) -> None:
    dispatcher, technician = phone_of(acme, acme.dispatcher), phone_of(acme)
    for client in (dispatcher, technician):
        for method in ("put", "patch"):
            answer = change(client, method, **DEFAULTS)
            assert (answer.status_code, answer.json()["code"]) == (403, "not_an_owner")
    answer = technician.get(PATH)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_a_dispatcher")
    with company_scope(acme.schema):
        assert not Policy.objects.exists()


def test_some_of_it_or_all_of_it_is_changed(
    owner: Client, phone_of: PhoneOf, acme: Persona, globex: Persona
) -> None:
    assert change(owner, retention_days=30).json() == {**DEFAULTS, "retention_days": 30}
    assert change(owner, accept="on_trip").json()["retention_days"] == 30
    assert owner.get(PATH).json() == {**DEFAULTS, "retention_days": 30, "accept": "on_trip"}
    answer = change(owner, "put", **POLICY)
    assert (answer.status_code, answer.json()) == (200, POLICY)
    assert phone_of(globex, globex.owner).get(PATH).json() == DEFAULTS
    missing = {name: value for name, value in POLICY.items() if name != "max_speed"}
    answer = change(owner, "put", **missing)
    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {"field": "max_speed", "value": None, "message": "is required"}
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_accuracy", 50),
        ("max_speed", 61.5),
        ("flag_mock", False),
        ("stop_radius", 80),
        ("stop_seconds", 60),
        ("site_radius", 150),
    ],
)
def test_what_judges_fixes_has_every_track_worked_through_again(
    field: str, value: Any, owner: Client, acme: Persona, globex: Persona
) -> None:
    assert change(owner, **{field: value}).status_code == 200
    assert recounts(acme) == [(1, BEGINNING, "policy"), (2, BEGINNING, "policy")]
    assert recounts(globex) == []
    # The same once more is no change.
    assert change(owner, **{field: value}).status_code == 200
    assert len(recounts(acme)) == 2


def test_ages_retention_and_hours_judge_nothing(owner: Client, acme: Persona) -> None:
    fields = {"delayed_seconds": 30, "stale_seconds": 90, "lost_seconds": 200}
    assert change(owner, **fields, retention_days=10, accept="always").status_code == 200
    assert change(owner, max_accuracy=100).status_code == 200  # as it was
    assert recounts(acme) == []


WRONG: list[tuple[dict[str, Any], list[tuple[str, Any, str]]]] = [
    ({"max_acuracy": 5}, [("max_acuracy", 5, f"is no field of the policy: {', '.join(POLICY)}")]),
    (
        {"accept": "never"},
        [("accept", "never", "must be one of always, on_shift, on_trip")],
    ),
    ({"accept": None}, [("accept", None, "must be one of always, on_shift, on_trip")]),
    ({"flag_mock": 1}, [("flag_mock", 1, "must be true or false")]),
    (
        {"max_accuracy": 4.9, "stop_seconds": 3601},
        [
            ("max_accuracy", 4.9, f"must be {NUMBERS['max_accuracy']}"),
            ("stop_seconds", 3601, f"must be {NUMBERS['stop_seconds']}"),
        ],
    ),
    ({"lost_seconds": 86_401}, [("lost_seconds", 86_401, f"must be {NUMBERS['lost_seconds']}")]),
    (
        {"stale_seconds": 60},
        [("stale_seconds", 60, "must be more than delayed_seconds, which is 60")],
    ),
    (
        {"delayed_seconds": 300},
        [("delayed_seconds", 300, "must be less than stale_seconds, which is 300")],
    ),
    (
        {"stale_seconds": 1800},
        [("stale_seconds", 1800, "must be less than lost_seconds, which is 1800")],
    ),
]
WRONG += [
    ({name: value}, [(name, value, f"must be {right}")])
    for name, right in NUMBERS.items()
    for value in ("nan", "7", True, None, [])
    if value != []
]


@pytest.mark.parametrize(("changes", "errors"), WRONG)
def test_what_is_wrong_is_named_and_nothing_is_changed(
    changes: dict[str, Any],
    errors: list[tuple[str, Any, str]],
    owner: Client,
    acme: Persona,
) -> None:
    with patch("cable.broadcast._send_after_commit") as sent:
        answer = change(owner, **changes)
    assert answer.status_code == 400
    told = answer.json()["errors"]
    assert [(error["field"], error["value"], error["message"]) for error in told] == errors
    with company_scope(acme.schema):
        assert not Policy.objects.exists()
    assert (recounts(acme), sent.mock_calls) == ([], [])


@pytest.mark.parametrize("body", ["[]", "7", '"x"', "null"])
def test_a_body_that_is_no_object_is_refused(body: str, owner: Client) -> None:
    for method in (owner.put, owner.patch):
        answer = method(PATH, body, content_type="application/json")
        assert answer.status_code == 400, (body, answer.content)
        assert answer.json()["errors"][0]["field"] == "body"


def test_a_number_that_no_float_holds_is_refused(owner: Client) -> None:
    for text in ("1" + "0" * 400, "1e400"):
        answer = owner.patch(PATH, f'{{"max_speed": {text}}}', content_type="application/json")
        assert answer.status_code == 400
        (error,) = answer.json()["errors"]
        assert (error["field"], error["message"]) == (
            "max_speed",
            f"must be {NUMBERS['max_speed']}",
        )
