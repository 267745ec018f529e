"""Technicians read who looked at them: by REST, at every address that shows a position."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.db import OperationalError
from django.test import Client

from tenants.context import company_scope
from tests.isolation.evidence import stored
from tests.world import Persona
from tracking.actions import viewing
from tracking.actions.viewing import record_viewing
from tracking.models import Position, Viewing

pytestmark = pytest.mark.django_db

PhoneOf = Callable[..., Client]
PATH = "/api/v1/viewings/"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LIVE, HISTORY = Viewing.What.LIVE, Viewing.What.HISTORY


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.fixture(autouse=True)
def _no_viewings(acme: Persona, globex: Persona) -> None:
    """A test's server may have told of one after that test's end."""
    for persona in (acme, globex):
        with company_scope(persona.schema):
            Viewing.objects.all().delete()


@pytest.fixture
def positions(acme: Persona) -> None:
    with company_scope(acme.schema):
        for technician in (1, 2):
            Position.objects.create(
                technician_id=technician, lat=1, lon=2, recorded_at=NOON, received_at=NOON
            )


def look(
    persona: Persona, seconds: float, technicians: list[int], *, viewer: int = 2, what: Any = LIVE
) -> None:
    with (
        company_scope(persona.schema),
        patch.object(viewing.timezone, "now", lambda: at(seconds)),
    ):
        record_viewing(viewer=viewer, technicians=technicians, what=what)


def rows(persona: Persona) -> list[tuple[Any, ...]]:
    """(viewer, technician, what, seconds of its beginning and its end)."""
    with company_scope(persona.schema):
        found = Viewing.objects.order_by("id")
        return [
            (
                row.viewer_id,
                row.technician_id,
                row.what,
                (row.began_at - NOON).total_seconds(),
                (row.last_at - NOON).total_seconds(),
            )
            for row in found
        ]


def test_looking_on_within_the_window_prolongs_and_later_begins_anew(acme: Persona) -> None:
    look(acme, 0, [1])
    look(acme, 900, [1, 2])
    assert rows(acme) == [(2, 1, "live", 0, 900), (2, 2, "live", 900, 900)]
    look(acme, 1801, [1])
    assert rows(acme) == [
        (2, 1, "live", 0, 900),
        (2, 2, "live", 900, 900),
        (2, 1, "live", 1801, 1801),
    ]


def test_a_row_is_rewritten_once_a_minute_at_most(acme: Persona) -> None:
    for seconds, last in ((0, 0), (59, 0), (60, 60), (119, 60), (120, 120)):
        look(acme, seconds, [1])
        assert rows(acme) == [(2, 1, "live", 0, last)]


def test_each_viewer_technician_kind_and_company_has_its_own(
    acme: Persona, globex: Persona
) -> None:
    look(acme, 0, [1, 1, 2])
    look(acme, 100, [2], viewer=1)
    look(acme, 100, [2], what=HISTORY)
    look(acme, 100, [])
    look(acme, 100, [99])
    assert rows(acme) == [
        (2, 1, "live", 0, 0),
        (2, 2, "live", 0, 0),
        (1, 2, "live", 100, 100),
        (2, 2, "history", 100, 100),
    ]
    assert rows(globex) == []


def test_who_looks_at_themself_is_no_viewer(acme: Persona) -> None:
    look(acme, 0, [1, 2], viewer=3)  # the first technician's user
    assert rows(acme) == [(3, 2, "live", 0, 0)]


def test_reading_trips_is_told_to_the_technician(phone_of: PhoneOf, acme: Persona) -> None:
    with patch.object(viewing.timezone, "now", lambda: NOON):
        for client in (phone_of(acme, acme.dispatcher), phone_of(acme)):
            assert client.get("/api/v1/trips/?technician=1").status_code == 200
    assert rows(acme) == [(2, 1, "history", 0, 0)]


@pytest.mark.usefixtures("positions")
def test_reading_positions_and_history_is_told_to_the_technicians(
    phone_of: PhoneOf, acme: Persona, globex: Persona
) -> None:
    office, phone = phone_of(acme, acme.dispatcher), phone_of(acme)
    with patch.object(viewing.timezone, "now", lambda: NOON):
        assert len(office.get("/api/v1/positions/").json()["results"]) == 2
        assert office.get("/api/v1/fixes/?technician=2").status_code == 200
        for path in ("/api/v1/positions/", "/api/v1/fixes/?technician=1"):
            assert phone.get(path).status_code == 200
    assert rows(acme) == [
        (2, 1, "live", 0, 0),
        (2, 2, "live", 0, 0),
        (2, 2, "history", 0, 0),
    ]
    assert rows(globex) == []


def test_what_is_refused_is_no_look(phone_of: PhoneOf, acme: Persona) -> None:
    office, phone = phone_of(acme, acme.dispatcher), phone_of(acme)
    before = stored()
    for client, query in (
        (phone, "?technician=2"),
        (office, ""),
        (office, "?technician=1&limit=x"),
    ):
        assert client.get(f"/api/v1/fixes/{query}").status_code in (400, 404)
    assert stored() == before


@pytest.mark.usefixtures("positions")
def test_what_cannot_be_told_is_not_shown(phone_of: PhoneOf, acme: Persona) -> None:
    office = phone_of(acme, acme.dispatcher)
    with patch.object(viewing.User.objects, "select_for_update", side_effect=OperationalError):
        for path in ("/api/v1/positions/", "/api/v1/fixes/?technician=1"):
            answer = office.get(path)
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


def test_who_reads_which_viewings(phone_of: PhoneOf, acme: Persona, globex: Persona) -> None:
    look(acme, 0, [1, 2])
    look(acme, 60, [1], viewer=1, what=HISTORY)
    look(globex, 0, [1])
    by_dispatcher = {"id": 2, "name": "Dina Desk", "role": "dispatcher"}
    by_owner = {"id": 1, "name": "Olive Owner", "role": "owner"}

    def told(client: Client) -> list[tuple[Any, ...]]:
        answer = client.get(PATH).json()
        assert answer["next"] is None
        return [
            (row["technician_id"], row["viewer"], row["what"], row["began_at"], row["last_at"])
            for row in answer["results"]
        ]

    noon, later = "2026-11-22T12:00:00Z", "2026-11-22T12:01:00Z"
    history = (1, by_owner, "history", later, later)
    first, second = ((who, by_dispatcher, "live", noon, noon) for who in (1, 2))
    assert told(phone_of(acme)) == [history, first]
    assert told(phone_of(acme, acme.second_technician)) == [second]
    assert told(phone_of(acme, acme.dispatcher)) == [second, first]
    assert told(phone_of(acme, acme.owner)) == [history, second, first]
    assert told(phone_of(globex, globex.owner)) == [first]


def test_viewings_come_in_pages(phone_of: PhoneOf, acme: Persona, settings: Any) -> None:
    settings.VIEWINGS_PAGE_SIZE = 2
    for number in range(5):
        look(acme, number * 1000, [1])
    phone = phone_of(acme)
    pages, query = [], {}
    while True:
        answer = phone.get(PATH, query).json()
        pages.append([row["began_at"] for row in answer["results"]])
        if answer["next"] is None:
            break
        query = {"after": answer["next"]}
    minutes = [at(number * 1000).isoformat().replace("+00:00", "Z") for number in range(5)]
    assert pages == [[minutes[4], minutes[3]], [minutes[2], minutes[1]], [minutes[0]]]
    answer = phone.get(PATH, {"after": "x"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "after")
