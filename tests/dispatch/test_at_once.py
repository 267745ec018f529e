"""The same technician's shifts and jobs, changed in the same moment on connections of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection

from dispatch.actions import progress, shifts
from dispatch.actions.progress import set_on_the_way
from dispatch.actions.shifts import plan_shift
from dispatch.actions.work import create_job
from dispatch.errors import BadInputError
from dispatch.models import Customer, Job, Shift, Technician
from tenants.context import company_scope
from tests.world import Persona

pytestmark = pytest.mark.usefixtures("committed")

COUNT = 4
# Long enough for all to look, were there no lock.
LOCK_SECONDS = 0.5
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at_once(persona: Persona, works: Sequence[Callable[[], object]]) -> list[str]:
    together = threading.Barrier(len(works))

    def one(work: Callable[[], object]) -> str:
        try:
            with company_scope(persona.schema):
                together.wait(10)
                work()
        except BadInputError:
            return "refused"
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(len(works)) as threads:
        return sorted(threads.map(one, works))


def held_back(call: Callable[..., Any]) -> Callable[..., Any]:
    """Hold the first one back until all have looked, which a lock must prevent."""
    looked = threading.Barrier(COUNT)

    def wait(*args: Any, **kwargs: Any) -> Any:
        found = call(*args, **kwargs)
        with suppress(threading.BrokenBarrierError):
            looked.wait(LOCK_SECONDS)
        return found

    return wait


@pytest.fixture
def jobs(acme: Persona) -> Iterator[list[Job]]:
    """Some of the first technician; jobs are not deleted after each test."""
    with company_scope(acme.schema):
        made = [
            create_job(
                title=f"Job {number}",
                kind="heating",
                customer=Customer.objects.get(),
                technician=Technician.objects.get(pk=1),
                starts_at=NOON,
                ends_at=NOON + timedelta(hours=1),
            )
            for number in range(COUNT)
        ]
    yield made
    with company_scope(acme.schema):
        Job.objects.filter(pk__in=[job.pk for job in made]).delete()


def test_of_shifts_that_overlap_one_is_planned(
    acme: Persona, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shifts, "_require_free", held_back(shifts._require_free))
    with company_scope(acme.schema):
        technician = Technician.objects.get(pk=1)

    def plan(hours: int) -> Callable[[], object]:
        ends_at = NOON + timedelta(hours=hours)
        return lambda: plan_shift(technician=technician, starts_at=NOON, ends_at=ends_at)

    outcomes = at_once(acme, [plan(hours) for hours in range(1, COUNT + 1)])
    assert outcomes == ["done", "refused", "refused", "refused"]
    with company_scope(acme.schema):
        assert Shift.objects.count() == 1


def test_a_technician_sets_off_to_one_job(acme: Persona, jobs: list[Job]) -> None:
    def set_off(job: Job) -> Callable[[], object]:
        return lambda: set_on_the_way(job=job)

    # Held back between the look and the write.
    with patch.object(progress, "_save", _wait_then(progress._save)):
        outcomes = at_once(acme, [set_off(job) for job in jobs])
    assert outcomes == ["done", "refused", "refused", "refused"]
    with company_scope(acme.schema):
        assert Job.objects.filter(status="on_the_way").count() == 1


def _wait_then(call: Callable[..., Any]) -> Callable[..., Any]:
    wait = held_back(lambda: None)

    def waiting(*args: Any) -> Any:
        wait()
        return call(*args)

    return waiting
