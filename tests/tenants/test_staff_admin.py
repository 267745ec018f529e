"""Staff's screens on the public host."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from tenants.actions import schema_exists
from tenants.models import StaffUser, Tenant
from tenants.queries import locate
from tests.world import PASSWORD, Persona

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(acme: Persona) -> Client:
    StaffUser.objects.create_user(email="staff@sera.test", password=PASSWORD)
    client = Client(HTTP_HOST="localhost")
    answer = client.post("/admin/login/", {"username": "staff@sera.test", "password": PASSWORD})
    assert answer.status_code == 302
    return client


def test_companies_are_listed_with_their_addresses(staff: Client) -> None:
    page = staff.get("/admin/tenants/tenant/").content.decode()
    assert "acme.localhost" in page
    assert "globex.localhost" in page
    assert staff.get("/admin/").status_code == 200


def test_a_company_is_created_whole(staff: Client) -> None:
    form = {"name": "Initech", "schema_name": "initech", "time_zone": "America/Chicago"}
    answer = staff.post("/admin/tenants/tenant/add/", form)
    assert (answer.status_code, answer["Location"]) == (302, "/admin/tenants/tenant/")
    assert schema_exists("initech")
    assert locate("initech.localhost").time_zone == "America/Chicago"


def test_a_bad_name_is_told_at_its_field_and_creates_nothing(staff: Client) -> None:
    before = Tenant.objects.count()
    answer = staff.post(
        "/admin/tenants/tenant/add/", {"name": "X", "schema_name": "Bad-Name", "time_zone": "UTC"}
    )
    assert answer.status_code == 200
    form = answer.context["adminform"].form
    assert form.errors == {
        "schema_name": [
            "'Bad-Name' is not a schema name: use 2 to 31 of a–z and 0–9, beginning with a letter."
        ]
    }
    assert Tenant.objects.count() == before


def test_suspending_takes_effect_at_once(staff: Client, acme: Persona, client_of: Any) -> None:
    assert client_of(acme).get("/login/").status_code == 200
    tenant = Tenant.objects.get(schema_name="acme")
    form = {"name": tenant.name, "time_zone": "UTC", "status": "suspended"}
    assert staff.post(f"/admin/tenants/tenant/{tenant.pk}/change/", form).status_code == 302
    assert client_of(acme).get("/login/").status_code == 403
    form["status"] = "ready"
    assert staff.post(f"/admin/tenants/tenant/{tenant.pk}/change/", form).status_code == 302
    assert client_of(acme).get("/login/").status_code == 200


def test_a_company_s_user_is_no_staff(acme: Persona) -> None:
    client = Client(HTTP_HOST="localhost")
    answer = client.post("/admin/login/", {"username": acme.owner, "password": PASSWORD})
    assert answer.status_code == 200  # the form again
    assert client.get("/admin/").status_code == 302


def test_a_former_staff_member_is_out(staff: Client) -> None:
    assert staff.get("/admin/").status_code == 200
    StaffUser.objects.update(is_active=False)
    assert staff.get("/admin/").status_code == 302


def test_create_staff_makes_and_renews(acme: Persona, monkeypatch: pytest.MonkeyPatch) -> None:
    for password in ("first long password", "second long password"):
        monkeypatch.setattr("sys.stdin", io.StringIO(password + "\n"))
        call_command("create_staff", "boss@sera.test", stdout=io.StringIO())
        assert StaffUser.objects.get(email="boss@sera.test").check_password(password)
