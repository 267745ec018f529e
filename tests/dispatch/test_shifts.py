"""Planning shifts, clocking in and out, and who may."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.test import Client

from dispatch.actions import shifts as actions
from dispatch.models import Shift
from tenants.context import company_scope
from tests.world import Persona

pytestmark = pytest.mark.django_db

PhoneOf = Callable[..., Client]
PATH = "/api/v1/shifts/"
DAY = datetime(2026, 11, 23, tzinfo=UTC)


def at(hour: float) -> datetime:
    return DAY + timedelta(hours=hour)


def text(hour: float) -> str:
    return at(hour).isoformat().replace("+00:00", "Z")


@contextmanager
def clock(hour: float) -> Iterator[None]:
    with patch.object(actions.timezone, "now", lambda: at(hour)):
        yield


def plan(client: Client, begins: float, ends: float, technician: int = 1) -> Any:
    body = {"technician": technician, "starts_at": text(begins), "ends_at": text(ends)}
    return client.post(PATH, body, content_type="application/json")


def stored(persona: Persona) -> list[tuple[int, datetime, datetime]]:
    with company_scope(persona.schema):
        return list(Shift.objects.values_list("technician_id", "starts_at", "ends_at"))


def told(client: Client, **query: Any) -> list[tuple[int, str, str]]:
    response = client.get(PATH, query)
    assert response.status_code == 200, response.content
    return [
        (row["technician_id"], row["starts_at"], row["ends_at"])
        for row in response.json()["results"]
    ]


def test_the_office_plans_and_everybody_reads_what_is_theirs(
    phone_of: PhoneOf, acme: Persona, globex: Persona
) -> None:
    office = phone_of(acme, acme.dispatcher)
    answer = plan(office, 8, 16)
    assert answer.status_code == 201
    shift = answer.json()
    assert shift == {
        "id": shift["id"],
        "technician_id": 1,
        "starts_at": "2026-11-23T08:00:00Z",
        "ends_at": "2026-11-23T16:00:00Z",
    }
    assert plan(office, 6, 9, technician=2).status_code == 201  # overlaps another technician's
    both = [(2, text(6), text(9)), (1, text(8), text(16))]
    assert told(office) == told(phone_of(acme, acme.owner)) == both
    assert told(phone_of(acme)) == both[1:]
    assert told(phone_of(acme, acme.second_technician)) == both[:1]
    assert told(phone_of(acme), technician=2) == []
    assert told(phone_of(globex, globex.owner)) == []


def test_a_time_selects_the_shifts_that_it_touches(phone_of: PhoneOf, acme: Persona) -> None:
    office = phone_of(acme, acme.owner)
    for begins, ends, technician in ((0, 8, 1), (8, 16, 1), (4, 12, 2)):
        assert plan(office, begins, ends, technician).status_code == 201
    assert told(office, since=text(8)) == [(2, text(4), text(12)), (1, text(8), text(16))]
    assert told(office, until=text(4)) == [(1, text(0), text(8))]
    assert told(office, since=text(12), until=text(12.5)) == [(1, text(8), text(16))]
    assert told(office, technician=1, since=text(7), until=text(9)) == [
        (1, text(0), text(8)),
        (1, text(8), text(16)),
    ]


def test_pages_hold_every_shift_once(phone_of: PhoneOf, acme: Persona, settings: Any) -> None:
    settings.SHIFTS_PAGE_SIZE = 2
    office = phone_of(acme, acme.owner)
    for technician in (1, 2):
        for hour in (0, 8):
            assert plan(office, hour, hour + 1, technician).status_code == 201
    assert plan(office, 20, 21).status_code == 201
    found, after = [], {}
    while True:
        page = office.get(PATH, after).json()
        found.append([(row["technician_id"], row["starts_at"]) for row in page["results"]])
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert found == [
        [(1, text(0)), (2, text(0))],
        [(1, text(8)), (2, text(8))],
        [(1, text(20))],
    ]


@pytest.mark.parametrize(
    ("begins", "ends"), [(8, 16), (7, 9), (15, 17), (9, 10), (7, 17), (15.999, 16)]
)
def test_a_technician_has_one_shift_at_a_time(
    begins: float, ends: float, phone_of: PhoneOf, acme: Persona
) -> None:
    office = phone_of(acme, acme.owner)
    first = plan(office, 8, 16).json()["id"]
    before = stored(acme)
    answer = plan(office, begins, ends)
    assert answer.status_code == 409
    assert answer.json()["errors"] == [
        {
            "field": "starts_at",
            "value": at(begins).isoformat(),
            "message": f"overlaps shift {first}, from 2026-11-23T08:00:00+00:00 to "
            "2026-11-23T16:00:00+00:00; a technician's shifts must not overlap",
        }
    ]
    assert stored(acme) == before
    # One that only touches it does not overlap.
    assert plan(office, 16, 17).status_code == plan(office, 7, 8).status_code == 201


WRONG: dict[str, tuple[dict[str, Any], list[tuple[str, Any, str]]]] = {
    "nothing": (
        {},
        [
            (field, None, "This field is required.")
            for field in ("technician", "starts_at", "ends_at")
        ],
    ),
    "no offset": (
        {"technician": 1, "starts_at": "2026-11-23T08:00:00", "ends_at": text(9)},
        [
            (
                "starts_at",
                "2026-11-23T08:00:00",
                "must be a time with its offset, such as 2026-11-22T10:00:00Z",
            )
        ],
    ),
    "a number": (
        {"technician": 1, "starts_at": text(8), "ends_at": 9},
        [("ends_at", 9, "must be a time with its offset, such as 2026-11-22T10:00:00Z")],
    ),
    "nobody": (
        {"technician": 99, "starts_at": text(8), "ends_at": text(9)},
        [("technician", 99, "must be the id of a technician in service")],
    ),
    "far too many digits": (
        {"technician": 10**30, "starts_at": text(8), "ends_at": text(9)},
        [("technician", str(10**30), "must be the id of a technician in service")],
    ),
    "no length": (
        {"technician": 1, "starts_at": text(8), "ends_at": text(8)},
        [
            (
                "ends_at",
                "2026-11-23T08:00:00+00:00",
                "must be later than starts_at, 2026-11-23T08:00:00+00:00, by at most 48 hours",
            )
        ],
    ),
    "too long": (
        {"technician": 1, "starts_at": text(0), "ends_at": "2026-11-25T00:00:01Z"},
        [
            (
                "ends_at",
                "2026-11-25T00:00:01+00:00",
                "must be later than starts_at, 2026-11-23T00:00:00+00:00, by at most 48 hours",
            )
        ],
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_named_and_nothing_is_planned(
    what: str, phone_of: PhoneOf, acme: Persona
) -> None:
    body, errors = WRONG[what]
    answer = phone_of(acme, acme.owner).post(PATH, body, content_type="application/json")
    assert answer.status_code == 400
    told = answer.json()["errors"]
    assert [(error["field"], error["value"], error["message"]) for error in told] == errors
    assert stored(acme) == []


def test_a_shift_is_moved_and_deleted(phone_of: PhoneOf, acme: Persona) -> None:
    office = phone_of(acme, acme.dispatcher)
    number = plan(office, 8, 16).json()["id"]
    plan(office, 18, 20)
    path = f"{PATH}{number}/"

    def change(**fields: str) -> Any:
        return office.patch(path, fields, content_type="application/json")

    assert change(ends_at=text(17)).json()["ends_at"] == text(17)
    assert change(starts_at=text(7)).json()["starts_at"] == text(7)
    assert change(ends_at=text(18.5)).status_code == 409
    assert change(ends_at=text(7)).status_code == 400
    assert change().status_code == 200
    assert stored(acme) == [(1, at(7), at(17)), (1, at(18), at(20))]
    assert office.delete(path).status_code == 204
    assert stored(acme) == [(1, at(18), at(20))]
    for gone in (office.delete(path), change(ends_at=text(17))):
        assert (gone.status_code, gone.json()["code"]) == (404, "unknown_shift")


def test_technicians_plan_nothing_and_the_office_does_not_clock_in(
    phone_of: PhoneOf, acme: Persona
) -> None:
    office, phone = phone_of(acme, acme.owner), phone_of(acme)
    path = f"{PATH}{plan(office, 8, 16).json()['id']}/"
    before = stored(acme)
    for answer in (plan(phone, 17, 18), phone.patch(path), phone.delete(path)):
        assert (answer.status_code, answer.json()["code"]) == (403, "not_a_dispatcher")
    for door in ("begin/", "end/"):
        answer = office.post(PATH + door)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_a_technician")
    assert stored(acme) == before


def test_clocking_in_and_out(phone_of: PhoneOf, acme: Persona) -> None:
    phone = phone_of(acme)
    with clock(9):
        begun = phone.post(PATH + "begin/")
    assert begun.status_code == 201
    number = begun.json()["id"]
    assert begun.json() == {
        "id": number,
        "technician_id": 1,
        "starts_at": text(9),
        "ends_at": text(17),
    }
    with clock(10):
        again = phone.post(PATH + "begin/")
        assert again.status_code == 409
        assert again.json()["errors"][0]["message"].startswith(f"overlaps shift {number}, ")
    with clock(12):
        ended = phone.post(PATH + "end/")
        assert (ended.status_code, ended.json()["ends_at"]) == (200, text(12))
        nothing = phone.post(PATH + "end/")
    assert nothing.status_code == 409
    assert nothing.json()["errors"] == [
        {
            "field": "shift",
            "value": None,
            "message": "does not run now; there is none to end",
        }
    ]
    assert stored(acme) == [(1, at(9), at(12))]
    with clock(12):  # the shift that ended at this moment is over
        assert phone.post(PATH + "begin/").status_code == 201
    assert stored(acme) == [(1, at(9), at(12)), (1, at(12), at(20))]


def test_who_comes_early_works_until_the_planned_shift_and_then_on(
    phone_of: PhoneOf, acme: Persona
) -> None:
    plan(phone_of(acme, acme.owner), 9, 17)
    phone = phone_of(acme)
    with clock(8.5):
        assert phone.post(PATH + "begin/").json()["ends_at"] == text(9)
    with clock(9):
        assert phone.post(PATH + "begin/").status_code == 409
    with clock(15):
        assert phone.post(PATH + "end/").status_code == 200
    assert stored(acme) == [(1, at(8.5), at(9)), (1, at(9), at(15))]
