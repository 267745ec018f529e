"""Reading history page by page, and positions."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from dispatch.models import Technician
from tenants.context import company_scope
from tests.world import Persona
from tracking.actions import record_fixes
from tracking.fixes import FixForm

pytestmark = pytest.mark.django_db

PhoneOf = Callable[..., Client]
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def record(persona: Persona, *fixes: FixForm, technician: int = 1) -> None:
    with company_scope(persona.schema):
        outcomes = record_fixes(technician_id=technician, fixes=fixes).outcomes
        assert {outcome.status for outcome in outcomes} == {"stored"}


def a_fix(seconds: float, **fields: Any) -> FixForm:
    return FixForm(
        **{"id": uuid.uuid4(), "recorded_at": at(seconds), "lat": 1.0, "lon": 2.0, **fields}
    )


def page(client: Client, **query: Any) -> dict[str, Any]:
    response = client.get("/api/v1/fixes/", {"technician": 1, **query})
    assert response.status_code == 200, response.content
    return response.json()


def pages(client: Client, **query: Any) -> list[list[str]]:
    """The ids of each page, until there is no next one."""
    found, after = [], {}
    while True:
        answer = page(client, **query, **after)
        found.append([fix["id"] for fix in answer["results"]])
        if answer["next"] is None:
            return found
        after = {"after": answer["next"]}
        assert len(found) < 100


# --- What comes back is what was sent


def test_numbers_and_times_come_back_exactly(phone_of: PhoneOf, acme: Persona) -> None:
    phone = phone_of(acme)
    sent = [
        {
            "id": str(uuid.uuid4()),
            "recorded_at": recorded_at,
            "lat": lat,
            "lon": -lat * 1.7,
            "accuracy": 4.700000000000001,
            "speed": 1e-7,
            "heading": 359.99999999999994,
            "altitude": -0.1,
            "battery": 0.30000000000000004,
            "charging": True,
            "activity": "in_vehicle 🚐 é",
            "mock": False,
        }
        for recorded_at, lat in (
            ("2026-11-22T12:00:00.000001Z", 60.123456789012345),
            ("2026-11-22T12:00:00.100000Z", 0.1 + 0.2),
            ("2026-11-22T12:00:01Z", 5e-324),
            ("2026-11-22T12:00:01.123456Z", -89.99999999999999),
        )
    ]
    response = phone.post("/api/v1/fixes/", sent, content_type="application/json")
    assert response.json()["stored"] == 4
    read = page(phone)["results"]
    for fix in read:
        received_at = datetime.fromisoformat(fix.pop("received_at"))
        assert timedelta() <= timezone.now() - received_at < timedelta(seconds=30)
    # From one half of the earth to the other in a second and back.
    reasons = [fix.pop("reason") for fix in read]
    assert reasons == [None, "speed", "speed", "unconfirmed"]
    assert read == sent


def test_a_time_with_an_offset_is_the_same_moment(phone_of: PhoneOf, acme: Persona) -> None:
    phone = phone_of(acme)
    fix = {"id": str(uuid.uuid4()), "recorded_at": "2026-11-22T14:30:00+02:30", "lat": 1, "lon": 2}
    assert phone.post("/api/v1/fixes/", fix, content_type="application/json").status_code == 201
    (read,) = page(phone)["results"]
    assert read["recorded_at"] == "2026-11-22T12:00:00Z"
    unknown = (
        "accuracy",
        "speed",
        "heading",
        "altitude",
        "battery",
        "charging",
        "activity",
        "mock",
    )
    assert [read[name] for name in unknown] == [None] * len(unknown)


# --- Pages


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_every_fix_is_on_one_page_also_where_times_are_equal(
    limit: int, phone_of: PhoneOf, acme: Persona
) -> None:
    moments = (0, 1, 1, 1, 1, 2, 2)
    fixes = [a_fix(second, lat=1 + n / 1e5) for n, second in enumerate(moments)]
    record(acme, *fixes)
    wanted = [str(fix.id) for fix in sorted(fixes, key=lambda fix: (fix.recorded_at, fix.id))]
    found = pages(phone_of(acme), limit=limit)
    assert [number for part in found for number in part] == wanted
    assert [len(part) for part in found[:-1]] == [limit] * (len(found) - 1)
    assert 0 < len(found[-1]) <= limit


def test_a_fix_that_comes_late_moves_no_page(phone_of: PhoneOf, acme: Persona) -> None:
    fixes = [a_fix(seconds) for seconds in (10, 20, 30)]
    record(acme, *fixes)
    phone = phone_of(acme)
    first = page(phone, limit=2)
    record(acme, a_fix(5), a_fix(15))
    second = page(phone, limit=2, after=first["next"])
    assert [fix["id"] for fix in second["results"]] == [str(fixes[2].id)]


def test_since_is_included_and_until_is_not(phone_of: PhoneOf, acme: Persona) -> None:
    fixes = [a_fix(seconds) for seconds in (0, 10, 20)]
    record(acme, *fixes)
    phone = phone_of(acme)

    def found(**query: str) -> list[int]:
        ids = [fix["id"] for fix in page(phone, **query)["results"]]
        return [index for index, fix in enumerate(fixes) if str(fix.id) in ids]

    moments = [at(seconds).isoformat() for seconds in (0, 10, 20)]
    assert found(since=moments[1]) == [1, 2]
    assert found(until=moments[1]) == [0]
    assert found(since=moments[0], until=moments[2]) == [0, 1]
    assert found(since=moments[1], until=moments[1]) == []
    assert found(since=moments[2], until=moments[0]) == []
    assert found(since=at(10.000001).isoformat()) == [2]
    assert found(since="2026-11-22T14:00:10+02:00") == [1, 2]


def test_pages_keep_within_their_bounds(phone_of: PhoneOf, acme: Persona) -> None:
    record(acme, *[a_fix(seconds) for seconds in range(6)])
    phone = phone_of(acme)
    since, until = at(1).isoformat(), at(5).isoformat()
    assert [len(part) for part in pages(phone, since=since, until=until, limit=3)] == [3, 1]


def test_a_page_is_bounded_also_when_nobody_asks(
    phone_of: PhoneOf, acme: Persona, settings: Any
) -> None:
    settings.FIXES_PAGE_SIZE = 2
    record(acme, *[a_fix(seconds) for seconds in range(3)])
    assert [len(part) for part in pages(phone_of(acme))] == [2, 1]


def test_no_fixes_are_an_empty_page(phone_of: PhoneOf, acme: Persona) -> None:
    assert page(phone_of(acme)) == {"results": [], "next": None}


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


RIGHT_TIME = "must be a time with its offset, such as 2026-11-22T10:00:00Z"
WHOLE = "must be a whole number from 1 to 9223372036854775807"
NEXT = "must be the `next` of the page before"
ZERO = "00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        ({"technician": ""}, "technician", WHOLE),
        ({"technician": "0"}, "technician", WHOLE),
        ({"technician": "1.5"}, "technician", WHOLE),
        ({"technician": "١"}, "technician", WHOLE),
        ({"technician": str(2**63)}, "technician", WHOLE),
        ({"technician": "9" * 5000}, "technician", WHOLE),
        ({"limit": "0"}, "limit", "must be a whole number from 1 to 1000"),
        ({"limit": "1001"}, "limit", "must be a whole number from 1 to 1000"),
        ({"limit": "-1"}, "limit", "must be a whole number from 1 to 1000"),
        ({"limit": "ten"}, "limit", "must be a whole number from 1 to 1000"),
        ({"since": "yesterday"}, "since", RIGHT_TIME),
        ({"since": "2026-11-22T10:00:00"}, "since", RIGHT_TIME),
        ({"since": "2026-11-22"}, "since", RIGHT_TIME),
        ({"since": "2026-11-22T10:00:00 02:00"}, "since", RIGHT_TIME),
        ({"until": "2026-13-01T10:00:00Z"}, "until", RIGHT_TIME),
        ({"until": "2026-11-22T25:00:00Z"}, "until", RIGHT_TIME),
        ({"after": ""}, "after", NEXT),
        ({"after": "x"}, "after", NEXT),
        ({"after": "Ω"}, "after", NEXT),
        ({"after": cursor("2026-11-22T10:00:00+00:00")}, "after", NEXT),
        ({"after": cursor(f"2026-11-22T10:00:00|{ZERO}")}, "after", NEXT),
        ({"after": cursor(f"|{ZERO}")}, "after", NEXT),
        ({"after": cursor("2026-11-22T10:00:00+00:00|1; DROP TABLE tracking_fix")}, "after", NEXT),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named(
    query: dict[str, str], field: str, message: str, phone_of: PhoneOf, acme: Persona
) -> None:
    response = phone_of(acme).get("/api/v1/fixes/", {"technician": 1, **query})
    given = query[field]
    value = given if len(given) <= 80 else given[:80] + "…"
    assert (response.status_code, response.json()) == (
        400,
        {"errors": [{"field": field, "value": value, "message": message}]},
    )


def test_history_asks_for_a_technician(phone_of: PhoneOf, acme: Persona) -> None:
    response = phone_of(acme, acme.owner).get("/api/v1/fixes/")
    assert (response.status_code, response.json()) == (
        400,
        {
            "errors": [
                {
                    "field": "technician",
                    "value": None,
                    "message": "is required: a technician's id",
                }
            ]
        },
    )


def test_whose_history_is_read_by_whom(phone_of: PhoneOf, acme: Persona) -> None:
    record(acme, a_fix(0, lat=1.0), technician=1)
    record(acme, a_fix(0, lat=2.0), technician=2)
    first, second, office = (
        phone_of(acme, email)
        for email in (acme.technician, acme.second_technician, acme.dispatcher)
    )
    for client, technician, wanted in (
        (first, 1, [1.0]),
        (second, 2, [2.0]),
        (office, 1, [1.0]),
        (office, 2, [2.0]),
        (first, 2, None),
        (second, 1, None),
        (office, 3, None),
    ):
        response = client.get("/api/v1/fixes/", {"technician": technician})
        if wanted is None:
            assert (response.status_code, response.json()) == (
                404,
                {"detail": f"there is no technician {technician}", "code": "unknown_technician"},
            )
        else:
            assert [fix["lat"] for fix in response.json()["results"]] == wanted


# --- Positions


def test_positions_of_all_and_of_one(phone_of: PhoneOf, acme: Persona) -> None:
    record(acme, a_fix(0, lat=1.5, speed=2.5), a_fix(60, lat=1.51, battery=0.5, heading=360.0))
    record(acme, a_fix(30, lat=-3.25), technician=2)
    answer = phone_of(acme, acme.dispatcher).get("/api/v1/positions/").json()
    assert abs(datetime.fromisoformat(answer["server_time"]) - timezone.now()) < timedelta(
        minutes=1
    )
    first, second = answer["results"]
    assert datetime.fromisoformat(first.pop("received_at")) <= timezone.now()
    server_time = datetime.fromisoformat(answer["server_time"])
    assert first == {
        "technician_id": 1,
        "age_seconds": (server_time - at(60)) // timedelta(seconds=1),
        "state": "lost",
        "lat": 1.51,
        "lon": 2.0,
        "accuracy": None,
        "speed": None,
        "heading": 0.0,
        "battery": 0.5,
        "recorded_at": "2026-11-22T12:01:00Z",
    }
    assert (second["technician_id"], second["lat"]) == (2, -3.25)
    own = phone_of(acme, acme.second_technician).get("/api/v1/positions/").json()
    assert [row["technician_id"] for row in own["results"]] == [2]


def test_nobody_has_a_position_before_the_first_fix(phone_of: PhoneOf, acme: Persona) -> None:
    assert phone_of(acme, acme.owner).get("/api/v1/positions/").json()["results"] == []


def test_a_technician_out_of_service_leaves_the_map(phone_of: PhoneOf, acme: Persona) -> None:
    record(acme, a_fix(0))
    with company_scope(acme.schema):
        Technician.objects.filter(pk=1).update(is_active=False)
    office = phone_of(acme, acme.owner)
    assert office.get("/api/v1/positions/").json()["results"] == []
    assert office.get("/api/v1/fixes/", {"technician": 1}).status_code == 404
