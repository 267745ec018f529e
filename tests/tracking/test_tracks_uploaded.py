"""Recorded tracks uploaded as phones do, in whatever order: the same trips to the last bit."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta

import httpx
import pytest

from tenants.context import company_scope
from tests.live import WebServer
from tests.tracking.gpx import Native, parked, track
from tests.tracking.worked_out import EPOCH, work_out
from tests.world import Persona
from tracking.engine import TripEnded
from tracking.models import Fix, Policy, Recount, Trip

NAMES = ("car", "forest", "lake", "mountain", "run")
ORDERS = {
    "as recorded": list,
    "shuffled": lambda fixes: random.Random(7).sample(fixes, len(fixes)),
    "newest first": lambda fixes: fixes[::-1],
}


@pytest.fixture
def phone(server: WebServer, acme: Persona) -> Iterator[httpx.Client]:
    """Of a company that takes and keeps fixes of any time."""
    with company_scope(acme.schema):
        Policy.objects.create(id=1, accept=Policy.Accept.ALWAYS, retention_days=36_500)
    with closing(server.phone_of(acme)) as client:
        yield client


def upload(phone: httpx.Client, fixes: list[Native]) -> None:
    for at in range(0, len(fixes), 100):
        batch = fixes[at : at + 100]
        response = phone.post("/api/v1/fixes/", json=batch)
        assert response.status_code == 200, response.text
        assert response.json()["stored"] == len(batch)


def stored_trips(persona: Persona) -> list[TripEnded]:
    """As the engine tells them, from the tables; floats to the last bit."""
    with company_scope(persona.schema):
        return [
            TripEnded(
                microseconds(trip.settled_at),
                microseconds(trip.started_at),
                microseconds(trip.ended_at),
                trip.start_lat,
                trip.start_lon,
                trip.end_lat,
                trip.end_lon,
                trip.distance,
                trip.fixes,
            )
            for trip in Trip.objects.filter(technician=persona.technician_id).order_by("started_at")
        ]


def stored_reasons(persona: Persona) -> dict[uuid.UUID, str | None]:
    with company_scope(persona.schema):
        return dict(
            Fix.objects.filter(technician=persona.technician_id).values_list("id", "reason")
        )


def is_settled(persona: Persona) -> bool:
    with company_scope(persona.schema):
        return not Recount.objects.exists()


def microseconds(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_uploads_changes_nothing(
    server: WebServer, phone: httpx.Client, acme: Persona, name: str, order: str
) -> None:
    """All three orders give what the engine makes of the track in one go, to the last bit."""
    fixes = parked(track(name))
    expected = work_out(fixes)
    upload(phone, ORDERS[order](fixes))
    server.wait_for(lambda: is_settled(acme), "settled tracks")
    assert stored_trips(acme) == expected.trips
    assert stored_reasons(acme) == expected.reasons
