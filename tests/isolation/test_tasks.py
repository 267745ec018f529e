"""Tasks: one for A never touches B, and one for nobody never runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from celery import shared_task
from celery.app.trace import build_tracer
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.utils import timezone

from dispatch.models import Customer
from dispatch.tasks import delete_expired_sign_ins
from sera.celery import app
from tenants.celery import SCHEMA_HEADER
from tenants.context import NoCompanyError, company_scope, schema_or_none
from tenants.queries import Company
from tests.isolation.evidence import CELERY_QUEUE, broker, nothing_happens
from tests.world import Persona
from tracking.tasks import delete_expired_positions, finish_erasure

pytestmark = pytest.mark.django_db

ran: list[str | None] = []


@shared_task(name="tests.isolation.rename")
def rename(customer: int, name: str) -> str:
    """Write where the task believes to be; returns what was there."""
    ran.append(schema_or_none())
    found = Customer.objects.get(pk=customer)
    before, found.name = found.name, name
    found.save(update_fields=["name"])
    return before


@shared_task(name="tests.isolation.sign_everybody_out")
def sign_everybody_out() -> int:
    """Sessions exist in `public` too, so a task that got lost would find staff's."""
    ran.append(schema_or_none())
    return Session.objects.all().delete()[0]


@pytest.fixture(autouse=True)
def _no_runs() -> None:
    ran.clear()


def as_a_worker_does(task: Any, *args: Any, **headers: Any) -> tuple[str, Any]:
    """(state, result or exception) of a message with these headers, by the worker's own tracer."""
    app.finalize()
    task = app.tasks[task.name]
    trace = build_tracer(task.name, task, app=app)
    message = {"id": "c0ffee", "is_eager": False, "args": args, "kwargs": {}, **headers}
    request = {**message, "headers": headers, "called_directly": False}
    outcome = trace("c0ffee", args, {}, request=request)
    if outcome.info is None:
        return "SUCCESS", outcome.retval
    return outcome.info.state, outcome.info.retval


def names(persona: Persona) -> list[str]:
    with company_scope(persona.schema):
        return list(Customer.objects.values_list("name", flat=True))


def test_a_task_of_one_company_writes_only_there(acme: Persona, globex: Persona) -> None:
    state, before = as_a_worker_does(rename, 1, "Renamed", **{SCHEMA_HEADER: "acme"})
    assert (state, before, ran) == ("SUCCESS", f"Carol {acme.marker}", ["acme"])
    assert names(acme) == ["Renamed"]
    assert names(globex) == [f"Carol {globex.marker}"]


def test_the_company_of_the_message_wins_over_the_one_that_the_thread_was_left_in(
    acme: Persona, globex: Persona
) -> None:
    with company_scope("globex"):
        state, _ = as_a_worker_does(rename, 1, "Renamed", **{SCHEMA_HEADER: "acme"})
        assert (state, ran, schema_or_none()) == ("SUCCESS", ["acme"], "globex")
        with connection.cursor() as cursor:
            cursor.execute("SHOW search_path")
            assert cursor.fetchone() == ("globex, public",)
    assert (names(acme), names(globex)) == (["Renamed"], [f"Carol {globex.marker}"])


HEADERS: dict[str, dict[str, Any]] = {
    "none": {},
    "empty": {SCHEMA_HEADER: ""},
    "null": {SCHEMA_HEADER: None},
    "public": {SCHEMA_HEADER: "public"},
    "unknown": {SCHEMA_HEADER: "nobody"},
    "the template": {SCHEMA_HEADER: "template"},
    "the catalog": {SCHEMA_HEADER: "pg_catalog"},
    "two at once": {SCHEMA_HEADER: "acme, globex"},
    "injection": {SCHEMA_HEADER: 'acme"; DROP SCHEMA globex CASCADE; --'},
    "a number": {SCHEMA_HEADER: 1},
}


@pytest.mark.parametrize("where", ["", "globex"])
@pytest.mark.parametrize("what", HEADERS)
@pytest.mark.parametrize(
    "task",
    [
        rename,
        sign_everybody_out,
        delete_expired_sign_ins,
        delete_expired_positions,
        finish_erasure,
    ],
)
def test_a_message_that_names_no_company_is_refused_and_runs_nothing(
    task: Any, what: str, where: str, acme: Persona, globex: Persona
) -> None:
    _leave_sessions()
    args = {rename: (1, "Stolen"), finish_erasure: (1,)}.get(task, ())
    with nothing_happens():
        if where:
            with company_scope(where):
                state, error = as_a_worker_does(task, *args, **HEADERS[what])
        else:
            state, error = as_a_worker_does(task, *args, **HEADERS[what])
    assert (state, ran) == ("FAILURE", [])
    assert isinstance(error, NoCompanyError)
    assert task.name in str(error)
    assert schema_or_none() is None


def test_a_suspended_company_runs_no_task(suspended: Company) -> None:
    """It has a row, and its schema must not be taken for `public`."""
    with nothing_happens():
        state, error = as_a_worker_does(sign_everybody_out, **{SCHEMA_HEADER: suspended.schema})
    assert (state, ran) == ("FAILURE", [])
    assert isinstance(error, NoCompanyError)


@pytest.fixture
def queue() -> Iterator[Any]:
    with broker() as client:
        client.delete(CELERY_QUEUE)
        yield client
        client.delete(CELERY_QUEUE)


def test_asking_outside_of_a_company_queues_nothing(queue: Any) -> None:
    with nothing_happens():
        with pytest.raises(NoCompanyError):
            rename.delay(1, "Stolen")
        with pytest.raises(NoCompanyError):
            rename.apply_async((1, "Stolen"), headers={SCHEMA_HEADER: ""})
        with pytest.raises(NoCompanyError):
            rename.delay_on_commit(1, "Stolen")
        with pytest.raises(NoCompanyError):
            rename.apply((1, "Stolen"))
    assert queue.llen(CELERY_QUEUE) == 0


def test_a_queued_message_names_the_company_that_asked(queue: Any) -> None:
    for schema in ("acme", "globex"):
        with company_scope(schema):
            rename.delay(1, "Renamed")
            rename.s(1, "Renamed").delay()
    queued = [json.loads(message) for message in reversed(queue.lrange(CELERY_QUEUE, 0, -1))]
    assert [message["headers"][SCHEMA_HEADER] for message in queued] == ["acme"] * 2 + [
        "globex"
    ] * 2
    assert ran == []


def test_a_task_that_fails_leaves_its_company(acme: Persona) -> None:
    with transaction.atomic():
        state, error = as_a_worker_does(rename, 99, "Renamed", **{SCHEMA_HEADER: "acme"})
    assert (state, type(error)) == ("FAILURE", Customer.DoesNotExist)
    assert schema_or_none() is None
    with connection.cursor() as cursor:
        cursor.execute("SHOW search_path")
        assert cursor.fetchone() == ("public",)


def _leave_sessions() -> None:
    """An expired session everywhere, for a lost task to delete."""
    expired = timezone.now() - timedelta(days=1)
    Session.objects.create(session_key="left", session_data="", expire_date=expired)
    for schema in ("acme", "globex"):
        with company_scope(schema):
            Session.objects.create(session_key="left", session_data="", expire_date=expired)
