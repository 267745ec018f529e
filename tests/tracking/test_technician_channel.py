"""A technician's phone on the cable."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from dispatch.models import Job
from tenants.context import company_scope
from tests.live import WebServer, access_token, frames, perform, subscribe
from tests.world import Persona
from tracking.models import Fix

PROFILE = {"mode": "coarse", "distance_filter": 100, "interval": 60, "upload_interval": 120}


@contextmanager
def phone_on_cable(
    server: WebServer, persona: Persona, email: str | None = None
) -> Iterator[tuple[ClientConnection, str]]:
    """A socket that is subscribed, and the subscription's identifier."""
    with closing(server.phone_of(persona, email or persona.technician)) as client:
        token = access_token(client)
    with server.cable_of(persona, token) as socket:
        assert frames(socket, 1)[0]["type"] == "welcome"
        identifier = subscribe(socket, "TechnicianChannel")
        confirmed = {"type": "confirm_subscription", "identifier": identifier}
        assert frames(socket, 1) == [confirmed]
        yield socket, identifier


def ask(socket: ClientConnection, identifier: str, action: str, **data: Any) -> dict[str, Any]:
    """The answer to an action."""
    perform(socket, identifier, action, **data)
    (frame,) = frames(socket, 1)
    assert frame["identifier"] == identifier
    return frame["message"]


def a_fix(**changes: Any) -> dict[str, Any]:
    fix = {"id": str(uuid.uuid4()), "recorded_at": "2026-11-22T10:00:00Z", "lat": 60.5, "lon": 26.9}
    return {**fix, **changes}


def stored(persona: Persona) -> list[tuple[int, float]]:
    with company_scope(persona.schema):
        return list(Fix.objects.order_by("lat").values_list("technician_id", "lat"))


def test_fixes_are_stored_and_answered_one_by_one(
    server: WebServer, acme: Persona, globex: Persona
) -> None:
    good, poor = a_fix(), a_fix(lat=60.6, accuracy=900, recorded_at="2026-11-22T10:30:00Z")
    with phone_on_cable(server, acme) as (socket, identifier):
        answer = ask(socket, identifier, "fixes", ref="a", fixes=[good, {"id": "x"}, poor, good])
        wrong = answer["results"].pop(1)
        assert (wrong["index"], wrong["status"]) == (1, "rejected")
        assert wrong["errors"][0]["field"] == "id"
        assert answer == {
            "type": "fixes",
            "ref": "a",
            "results": [
                {"index": 0, "id": good["id"], "status": "stored"},
                {"index": 2, "id": poor["id"], "status": "stored", "reason": "accuracy"},
                {"index": 3, "id": good["id"], "status": "duplicate"},
            ],
            "stored": 2,
            "duplicate": 1,
            "refused": 0,
            "rejected": 1,
            "profile": PROFILE,
        }
        # What is said is stored is there when it is said.
        assert stored(acme) == [(1, 60.5), (1, 60.6)]
        again = ask(socket, identifier, "fixes", fixes=[good, poor])
        assert (again["stored"], again["duplicate"], "ref" in again) == (0, 2, False)
    assert stored(globex) == []


@pytest.mark.parametrize("fixes", [None, {"id": "x"}, "fixes", 7])
def test_what_is_no_array_is_refused_and_stores_nothing(
    server: WebServer, acme: Persona, fixes: Any
) -> None:
    with phone_on_cable(server, acme) as (socket, identifier):
        answer = ask(socket, identifier, "fixes", ref=3, fixes=fixes)
        assert (answer["type"], answer["action"], answer["ref"]) == ("refused", "fixes", 3)
        (error,) = answer["errors"]
        assert (error["field"], error["message"]) == ("fixes", "must be an array of fixes")
    assert stored(acme) == []


def test_more_than_a_batch_is_refused(server: WebServer, acme: Persona) -> None:
    with phone_on_cable(server, acme) as (socket, identifier):
        answer = ask(socket, identifier, "fixes", fixes=[1] * 1001)
        (error,) = answer["errors"]
        assert (answer["type"], error["value"]) == ("refused", "1001 fixes")


def test_a_job_goes_on_from_the_phone_and_others_do_not(server: WebServer, acme: Persona) -> None:
    now = datetime.now(UTC)
    with company_scope(acme.schema):
        original = Job.objects.values().get(pk=1)
    try:
        with phone_on_cable(server, acme, acme.second_technician) as (socket, identifier):
            answer = ask(socket, identifier, "on_my_way", job=1)
            (error,) = answer["errors"]
            assert (answer["type"], error["field"], error["value"]) == ("refused", "job", 1)
        with phone_on_cable(server, acme) as (socket, identifier):
            expected = {"type": "job", "id": 1, "status": "on_the_way", "ref": "go"}
            assert ask(socket, identifier, "on_my_way", job=1, ref="go") == expected
            at = (now - timedelta(minutes=1)).isoformat()
            arrived = ask(socket, identifier, "arrived", job=1, at=at)
            assert arrived == {"type": "job", "id": 1, "status": "arrived"}
            refused = ask(socket, identifier, "on_my_way", job=1)
            assert refused["errors"][0]["field"] == "status"
            done = ask(socket, identifier, "done", job=1)
            assert done == {"type": "job", "id": 1, "status": "done"}
            for wrong in (None, True, "1", 0, 2**63):
                refused = ask(socket, identifier, "done", job=wrong)
                assert refused["errors"][0]["message"] == "must be a job's id"
        with company_scope(acme.schema):
            job = Job.objects.get(pk=1)
            assert (job.arrived_at and job.arrived_at.isoformat()) == at
    finally:
        with company_scope(acme.schema):
            Job.objects.filter(pk=1).update(**original)


def test_arrival_by_fixes_is_proposed_to_the_phone(server: WebServer, acme: Persona) -> None:
    """The world's job is from 9 to 10 on the 23rd at 60.53, 26.93."""
    fixes = [
        a_fix(lat=60.53, lon=26.93, accuracy=5, recorded_at=f"2026-11-23T08:00:{second:02}Z")
        for second in (0, 10, 20)
    ]
    with phone_on_cable(server, acme) as (socket, identifier):
        perform(socket, identifier, "fixes", fixes=fixes)
        messages = sorted(
            (frame["message"] for frame in frames(socket, 2)), key=lambda each: each["type"]
        )
        assert messages[0]["stored"] == 3
        assert messages[1] == {
            "type": "proposal",
            "job_id": 1,
            "status": "arrived",
            "at": "2026-11-23T08:00:00Z",
        }
