"""Tasks know their company, or do not run."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest
from celery import shared_task
from django.conf import settings
from django.db import transaction

from dispatch.models import Technician
from sera.celery import app
from tenants.celery import SCHEMA_HEADER, CompanyTask, PlatformTask, ask_for
from tenants.context import NoCompanyError, company_scope, schema_or_none
from tenants.tasks import dispatch_to_companies
from tests.world import Persona


@shared_task(name="tests.first_technician")
def first_technician() -> str:
    return Technician.objects.get(pk=1).name


@shared_task(name="tests.where", base=PlatformTask)
def where() -> str | None:
    return schema_or_none()


@pytest.fixture
def sent() -> Any:
    """What would have gone to the broker: (task name, headers)."""
    messages: list[tuple[str, dict[str, Any]]] = []

    def remember(self: Any, name: str, *args: Any, **options: Any) -> None:
        messages.append((name, options["headers"]))

    with patch("celery.Celery.send_task", remember):
        yield messages


def test_every_task_of_ours_is_bound_to_a_company_or_marked_shared() -> None:
    app.loader.import_default_modules()  # as a worker does at its start
    ours = [task for name, task in app.tasks.items() if not name.startswith("celery.")]
    assert {task.name for task in ours} >= {
        "dispatch.tasks.delete_expired_sign_ins",
        "tenants.tasks.dispatch_to_companies",
        "tracking.tasks.delete_expired_positions",
        "tracking.tasks.finish_erasure",
    }
    assert all(isinstance(task, CompanyTask) for task in ours)


def test_asking_for_a_task_without_a_company_is_refused_and_nothing_is_sent(sent: Any) -> None:
    with pytest.raises(NoCompanyError, match=r"tests\.first_technician needs a company"):
        first_technician.delay()
    assert sent == []


def test_a_message_without_a_company_is_refused_by_the_worker() -> None:
    """As a producer that knows nothing of companies would send it."""
    request = {"headers": {}, "called_directly": False, "id": "1"}
    first_technician.push_request(**request)
    try:
        with pytest.raises(NoCompanyError, match="came without a company and is refused"):
            first_technician()
    finally:
        first_technician.pop_request()


@pytest.mark.django_db
def test_a_task_reads_the_company_that_asked(acme: Persona, globex: Persona) -> None:
    with company_scope("globex"):
        assert first_technician.apply().get() == f"Tess {globex.marker}"
    with company_scope("acme"):
        assert first_technician.apply().get() == f"Tess {acme.marker}"
        assert where.apply().get() is None
        assert schema_or_none() == "acme"


@pytest.mark.django_db
@pytest.mark.usefixtures("acme", "globex")
def test_on_commit_means_the_company_of_the_call_and_not_of_the_commit(
    sent: Any, django_capture_on_commit_callbacks: Any
) -> None:
    """`atomic` outside, company inside: the commit happens in the outer company."""
    with (
        django_capture_on_commit_callbacks(execute=True),
        company_scope("globex"),
        transaction.atomic(),
    ):
        with company_scope("acme"):
            first_technician.delay_on_commit()
        assert sent == []
    assert [(name, headers[SCHEMA_HEADER]) for name, headers in sent] == [
        ("tests.first_technician", "acme")
    ]


@pytest.mark.django_db
@pytest.mark.usefixtures("acme")
def test_a_task_of_a_rolled_back_transaction_is_never_sent(sent: Any) -> None:
    with company_scope("acme"), pytest.raises(ValueError, match="no"), transaction.atomic():
        first_technician.delay_on_commit()
        raise ValueError("no")
    assert sent == []


@pytest.mark.django_db
@pytest.mark.usefixtures("acme")
def test_asking_by_name_is_for_the_present_company_and_after_the_commit(
    sent: Any, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        with company_scope("acme"):
            ask_for("tests.first_technician")
        with company_scope("acme"), pytest.raises(ValueError, match="no"), transaction.atomic():
            ask_for("tests.first_technician")
            raise ValueError("no")
        assert sent == []
    assert [(name, headers[SCHEMA_HEADER]) for name, headers in sent] == [
        ("tests.first_technician", "acme")
    ]


def test_asking_by_name_without_a_company_is_refused() -> None:
    with pytest.raises(NoCompanyError):
        ask_for("tests.first_technician")


@pytest.mark.django_db
@pytest.mark.usefixtures("acme", "globex")
def test_the_dispatcher_asks_once_for_each_company_within_the_window() -> None:
    calls: list[tuple[str, int]] = []

    def remember(**options: Any) -> None:
        calls.append((options["headers"][SCHEMA_HEADER], options["countdown"]))

    with patch.object(app.tasks["tests.first_technician"], "apply_async", remember):
        assert dispatch_to_companies("tests.first_technician") == 2
    assert [schema for schema, _ in calls] == ["acme", "globex"]
    assert all(0 <= delay < settings.DISPATCH_WINDOW_SECONDS for _, delay in calls)
    assert calls[0][1] != calls[1][1]
