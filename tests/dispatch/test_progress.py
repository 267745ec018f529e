"""How far a technician is with a job, and who may say so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.test import Client

from dispatch.actions import progress
from dispatch.actions.work import create_job
from dispatch.models import Customer, Job, Technician
from tenants.context import company_scope
from tests.world import Persona

pytestmark = pytest.mark.django_db

PhoneOf = Callable[..., Client]
DAY = datetime(2026, 11, 23, tzinfo=UTC)


def at(hour: float) -> datetime:
    return DAY + timedelta(hours=hour)


@contextmanager
def clock(hour: float) -> Iterator[None]:
    with patch.object(progress.timezone, "now", lambda: at(hour)):
        yield


def tell(client: Client, step: str, hour: float | None = None, job: int = 1) -> Any:
    body = {} if hour is None else {"at": at(hour).isoformat()}
    return client.post(f"/api/v1/jobs/{job}/{step}/", body, content_type="application/json")


def state(persona: Persona, job: int = 1) -> tuple[str, datetime | None, datetime | None, Any]:
    with company_scope(persona.schema):
        found = Job.objects.get(pk=job)
    return found.status, found.on_the_way_at, found.arrived_at, found.done_at


@pytest.fixture
def second_job(acme: Persona) -> int:
    """Another of the first technician."""
    with company_scope(acme.schema):
        job = create_job(
            title="Second",
            kind="heating",
            customer=Customer.objects.get(),
            technician=Technician.objects.get(pk=1),
            starts_at=at(11),
            ends_at=at(12),
        )
    return job.pk


def test_a_technician_drives_arrives_and_finishes(
    phone_of: PhoneOf, acme: Persona, globex: Persona
) -> None:
    phone = phone_of(acme)
    with clock(9):
        answer = tell(phone, "on_the_way")
        assert answer.status_code == 200
        assert answer.json() == {
            "id": 1,
            "title": f"Tap {acme.marker}",
            "kind": "plumbing",
            "status": "on_the_way",
            "customer": {"id": 1, "name": f"Carol {acme.marker}"},
            "address": f"1 {acme.marker} Street",
            "lat": 60.53,
            "lon": 26.93,
            "starts_at": "2026-11-23T09:00:00Z",
            "ends_at": "2026-11-23T10:00:00Z",
            "technician_id": 1,
            "on_the_way_at": "2026-11-23T09:00:00Z",
            "arrived_at": None,
            "done_at": None,
        }
    with clock(9.5):
        assert tell(phone, "arrived", 9.25).json()["arrived_at"] == "2026-11-23T09:15:00Z"
    with clock(10):
        assert tell(phone, "done").json()["status"] == "done"
    assert state(acme) == ("done", at(9), at(9.25), at(10))
    assert state(globex) == ("assigned", None, None, None)


def test_the_office_tells_it_for_the_technician(phone_of: PhoneOf, acme: Persona) -> None:
    for who, step in ((acme.owner, "on_the_way"), (acme.dispatcher, "arrived")):
        with clock(9):
            assert tell(phone_of(acme, who), step).status_code == 200
    assert state(acme) == ("arrived", at(9), at(9), None)


def test_fixes_may_know_of_an_arrival_that_nobody_told(phone_of: PhoneOf, acme: Persona) -> None:
    """Not on the way by the phone's button, or only after the arrival."""
    phone = phone_of(acme)
    with clock(10):
        assert tell(phone, "arrived", 9.5).status_code == 200
    assert state(acme) == ("arrived", None, at(9.5), None)
    with company_scope(acme.schema):
        Job.objects.update(status="on_the_way", on_the_way_at=at(10))
    with clock(10):
        assert tell(phone, "arrived", 9.5).status_code == 200
    assert state(acme) == ("arrived", at(10), at(9.5), None)


ILLEGAL = [
    ("unassigned", "on_the_way", "left as it is"),
    ("unassigned", "arrived", "left as it is"),
    ("assigned", "done", "on_the_way or arrived"),
    ("on_the_way", "on_the_way", "arrived"),
    ("on_the_way", "done", "arrived"),
    ("arrived", "on_the_way", "done"),
    ("arrived", "arrived", "done"),
    ("done", "on_the_way", "left as it is"),
    ("done", "arrived", "left as it is"),
    ("done", "done", "left as it is"),
    ("cancelled", "on_the_way", "left as it is"),
]


@pytest.mark.parametrize(("status", "step", "allowed"), ILLEGAL)
def test_what_cannot_be_is_refused_with_what_can(
    status: str, step: str, allowed: str, phone_of: PhoneOf, acme: Persona
) -> None:
    with company_scope(acme.schema):
        technician = None if status == "unassigned" else 1
        Job.objects.update(status=status, technician=technician)
    before = state(acme)
    answer = tell(phone_of(acme, acme.owner), step)
    assert answer.status_code == 409
    assert answer.json()["errors"] == [
        {
            "field": "status",
            "value": step,
            "message": f"must be {allowed}: job 1 is {status}",
        }
    ]
    assert state(acme) == before


def test_a_job_of_somebody_else_is_unknown(
    phone_of: PhoneOf, acme: Persona, second_job: int
) -> None:
    other = phone_of(acme, acme.second_technician)
    for step in ("on_the_way", "arrived", "done"):
        for job in (1, second_job, 999):
            answer = tell(other, step, job=job)
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_job")
    assert state(acme) == ("assigned", None, None, None)


def test_one_drives_to_one_job_at_a_time(phone_of: PhoneOf, acme: Persona, second_job: int) -> None:
    phone = phone_of(acme)
    with clock(9):
        assert tell(phone, "on_the_way").status_code == 200
        answer = tell(phone, "on_the_way", job=second_job)
        assert answer.status_code == 409
        assert answer.json()["errors"] == [
            {
                "field": "status",
                "value": "on_the_way",
                "message": "is that of job 1 of the same technician; it must arrive first",
            }
        ]
        assert state(acme, second_job) == ("assigned", None, None, None)
        assert tell(phone, "arrived").status_code == 200
        assert tell(phone, "on_the_way", job=second_job).status_code == 200


@pytest.mark.parametrize(
    ("told", "field", "message"),
    [
        ("soon", "at", "must be a time with its offset, such as 2026-11-22T10:00:00Z"),
        (
            "2026-11-23T09:02:01Z",
            "at",
            "must lie between 2026-09-24T09:00:00Z and 2026-11-23T09:02:00Z",
        ),
        (
            "2026-09-24T08:59:59Z",
            "at",
            "must lie between 2026-09-24T09:00:00Z and 2026-11-23T09:02:00Z",
        ),
        ("0001-01-01T00:00:00+14:00", "at", "must be a time that UTC can tell"),
    ],
)
def test_a_moment_that_cannot_be_is_refused(
    told: str, field: str, message: str, phone_of: PhoneOf, acme: Persona
) -> None:
    with clock(9):
        answer = phone_of(acme).post(
            "/api/v1/jobs/1/on_the_way/", {"at": told}, content_type="application/json"
        )
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert (error["field"], error["message"]) == (field, message)
    assert state(acme) == ("assigned", None, None, None)


def test_done_is_not_before_the_arrival(phone_of: PhoneOf, acme: Persona) -> None:
    phone = phone_of(acme)
    with clock(9):
        tell(phone, "arrived", 9 + 1 / 60)  # a clock that is a minute ahead
        answer = tell(phone, "done", 8)
        assert answer.status_code == 400
        assert answer.json()["errors"] == [
            {
                "field": "at",
                "value": "2026-11-23T08:00:00+00:00",
                "message": "must not be before the arrival, 2026-11-23T09:01:00+00:00",
            }
        ]
        assert tell(phone, "done").status_code == 200
    assert state(acme) == ("done", None, at(9 + 1 / 60), at(9 + 1 / 60))
