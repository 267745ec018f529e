"""States of positions at each edge, by a clock that stands where the test puts it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.test import Client

from tenants.context import company_scope
from tests.world import Persona
from tracking.api import views
from tracking.freshness import Thresholds, position_state
from tracking.models import Policy, Position

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DEFAULTS = Thresholds(delayed=60, stale=300, lost=1800)
EDGES = [
    (-120, "live"),
    (0, "live"),
    (59, "live"),
    (59.999, "live"),
    (60, "delayed"),
    (299, "delayed"),
    (300, "stale"),
    (1799, "stale"),
    (1800, "lost"),
    (10**9, "lost"),
]


@pytest.mark.parametrize(("age", "state"), EDGES)
def test_each_edge_belongs_to_the_older_state(age: float, state: str) -> None:
    assert position_state(age, DEFAULTS) == state


def test_other_thresholds_make_other_states() -> None:
    strict = Thresholds(delayed=10, stale=20, lost=30)
    ages = (9, 10, 19, 20, 29, 30)
    assert [position_state(age, strict) for age in ages] == [
        "live",
        "delayed",
        "delayed",
        "stale",
        "stale",
        "lost",
    ]


@pytest.mark.django_db
def test_the_api_tells_ages_by_the_servers_clock_and_states_by_the_companys_policy(
    phone_of: Callable[..., Client], acme: Persona, globex: Persona
) -> None:
    ages = {"delayed_seconds": 10, "stale_seconds": 20, "lost_seconds": 60}
    for persona in (acme, globex):
        with company_scope(persona.schema):
            fields: dict[str, Any] = {"recorded_at": NOON, "received_at": NOON, "accuracy": 4.5}
            Position.objects.create(technician_id=1, lat=1, lon=2, **fields)
    with company_scope(globex.schema):
        Policy.objects.create(id=1, **ages)
    clients = [phone_of(persona, persona.dispatcher) for persona in (acme, globex)]
    told = []
    for seconds in (-5, 9.999, 10, 59, 60, 299, 300, 1799, 1800):
        now = NOON + timedelta(seconds=seconds)
        with patch.object(views.timezone, "now", lambda now=now: now):
            answers = [client.get("/api/v1/positions/").json() for client in clients]
        assert {answer["server_time"] for answer in answers} == {
            now.isoformat().replace("+00:00", "Z")
        }
        (one,), (other,) = (answer["results"] for answer in answers)
        assert one["accuracy"] == 4.5
        assert one["age_seconds"] == other["age_seconds"]
        told.append((one["age_seconds"], one["state"], other["state"]))
    assert told == [
        (0, "live", "live"),
        (9, "live", "live"),
        (10, "live", "delayed"),
        (59, "live", "stale"),
        (60, "delayed", "lost"),
        (299, "delayed", "lost"),
        (300, "stale", "lost"),
        (1799, "stale", "lost"),
        (1800, "lost", "lost"),
    ]
