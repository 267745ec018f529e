"""The demo's companies in the database."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command

from demo import world
from dispatch.models import Customer, Job, Shift, Technician, User
from tenants.context import company_scope
from tests.world import Persona


def counts(schema: str) -> tuple[int, ...]:
    with company_scope(schema):
        return tuple(model.objects.count() for model in (User, Technician, Customer, Job, Shift))


@pytest.mark.django_db
def test_seeding_fills_what_is_missing_and_nothing_twice(
    acme: Persona, monkeypatch: pytest.MonkeyPatch
) -> None:
    (company, _) = world.load_world()
    data: Any = company
    monkeypatch.setattr("demo.world.load_world", lambda: (data,))
    with company_scope("acme"):
        Job.objects.all().delete()
    users, technicians, customers, *_ = counts("acme")
    call_command("seed_demo", stdout=io.StringIO())
    # owner@acme.test and dispatcher@acme.test are there already, as people of the tests.
    after = (
        users + len(company.technicians),
        technicians + len(company.technicians),
        customers + len(company.customers),
        len(company.jobs),
        0,
    )
    assert counts("acme") == after
    said = io.StringIO()
    call_command("seed_demo", stdout=said)
    assert counts("acme") == after
    assert said.getvalue() == ""
    with company_scope("acme"):
        zone = ZoneInfo(company.time_zone)
        today = datetime.now(zone).date()
        assert {job.starts_at.astimezone(zone).date() for job in Job.objects.all()} == {today}
        user = User.objects.get(email=company.technicians[0].email)
        assert user.check_password(world.PASSWORD)
