"""Who sees what: owners and dispatchers all of it, technicians what is theirs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from dispatch.actions.work import create_job
from dispatch.models import Customer, Job, Technician, User
from tenants.context import company_scope
from tests.dispatch.browsers import browser_of
from tests.world import Persona

pytestmark = pytest.mark.django_db

PhoneOf = Callable[..., Client]
DISPATCH = ["owner", "dispatcher"]


def rows(client: Client, path: str) -> list[dict[str, Any]]:
    response = client.get(path)
    assert response.status_code == 200, response.content
    assert response.headers["Content-Type"] == "application/json"
    return response.json()["results"]


@pytest.fixture
def three_jobs(acme: Persona) -> None:
    """Besides the one of the first technician: one of the second, one of nobody."""
    with company_scope(acme.schema):
        customer = Customer.objects.get()
        for day, technician in ((1, Technician.objects.get(pk=2)), (2, None)):
            starts_at = datetime(2026, 11, 23, 9, tzinfo=UTC) + timedelta(days=day)
            create_job(
                title=f"Day {day}",
                kind="heating",
                customer=customer,
                technician=technician,
                starts_at=starts_at,
                ends_at=starts_at + timedelta(hours=1),
            )


def test_me_as_a_technician(phone_of: PhoneOf, acme: Persona) -> None:
    assert phone_of(acme).get("/api/v1/me/").json() == {
        "id": 3,
        "email": "tech@acme.test",
        "name": f"Tess {acme.marker}",
        "role": "technician",
        "technician": {
            "id": 1,
            "name": f"Tess {acme.marker}",
            "initials": "TS",
            "color": "#2563eb",
            "phone": "+12025550101",
        },
        "company": {"name": "Acme Inc", "schema": "acme", "time_zone": "UTC"},
    }


@pytest.mark.parametrize("role", DISPATCH)
def test_me_in_the_office(role: str, phone_of: PhoneOf, globex: Persona) -> None:
    me = phone_of(globex, getattr(globex, role)).get("/api/v1/me/").json()
    assert (me["role"], me["technician"]) == (role, None)
    assert me["company"]["schema"] == "globex"


def test_a_technician_out_of_service_is_a_user_still(phone_of: PhoneOf, acme: Persona) -> None:
    phone = phone_of(acme)
    with company_scope(acme.schema):
        Technician.objects.filter(pk=1).update(is_active=False)
    assert phone.get("/api/v1/me/").json()["technician"] is None
    assert rows(phone, "/api/v1/technicians/") == []
    office = phone_of(acme, acme.owner)
    assert [row["id"] for row in rows(office, "/api/v1/technicians/")] == [2]


@pytest.mark.parametrize("role", DISPATCH)
def test_the_office_sees_all_technicians_by_name(
    role: str, phone_of: PhoneOf, acme: Persona
) -> None:
    found = rows(phone_of(acme, getattr(acme, role)), "/api/v1/technicians/")
    assert [(row["id"], row["name"]) for row in found] == [
        (1, f"Tess {acme.marker}"),
        (2, f"Will {acme.marker}"),
    ]


def test_a_technician_sees_only_themselves(phone_of: PhoneOf, acme: Persona) -> None:
    assert [row["id"] for row in rows(phone_of(acme), "/api/v1/technicians/")] == [1]
    second = phone_of(acme, acme.second_technician)
    assert [row["id"] for row in rows(second, "/api/v1/technicians/")] == [2]


@pytest.mark.usefixtures("three_jobs")
def test_jobs_of_all_and_of_one(phone_of: PhoneOf, acme: Persona) -> None:
    for role in DISPATCH:
        found = rows(phone_of(acme, getattr(acme, role)), "/api/v1/jobs/")
        assert [(row["id"], row["technician_id"]) for row in found] == [
            (1, 1),
            (found[1]["id"], 2),
            (found[2]["id"], None),
        ]
    assert [row["id"] for row in rows(phone_of(acme), "/api/v1/jobs/")] == [1]
    second = rows(phone_of(acme, acme.second_technician), "/api/v1/jobs/")
    assert [row["title"] for row in second] == ["Day 1"]


def test_the_form_of_a_job(phone_of: PhoneOf, acme: Persona) -> None:
    assert rows(phone_of(acme), "/api/v1/jobs/") == [
        {
            "id": 1,
            "title": f"Tap {acme.marker}",
            "kind": "plumbing",
            "status": "assigned",
            "customer": {"id": 1, "name": f"Carol {acme.marker}"},
            "address": f"1 {acme.marker} Street",
            "lat": 60.53,
            "lon": 26.93,
            "starts_at": "2026-11-23T09:00:00Z",
            "ends_at": "2026-11-23T10:00:00Z",
            "technician_id": 1,
            "on_the_way_at": None,
            "arrived_at": None,
            "done_at": None,
        }
    ]


@pytest.mark.usefixtures("three_jobs")
def test_the_latest_jobs_are_kept_when_there_are_more_than_a_page(
    phone_of: PhoneOf, acme: Persona, settings: Any
) -> None:
    settings.JOBS_PAGE_SIZE = 2
    found = rows(phone_of(acme, acme.owner), "/api/v1/jobs/")
    assert [row["title"] for row in found] == ["Day 1", "Day 2"]


@pytest.mark.parametrize("path", ["/api/v1/jobs/", "/api/v1/technicians/", "/api/v1/me/"])
def test_a_list_costs_few_queries(
    path: str, phone_of: PhoneOf, acme: Persona, django_assert_max_num_queries: Any
) -> None:
    phone = phone_of(acme, acme.owner)
    with company_scope(acme.schema):
        customer = Customer.objects.get()
        Job.objects.bulk_create(
            Job(
                title=str(number),
                kind="heating",
                customer=customer,
                address="x",
                lat=1,
                lon=1,
                starts_at=datetime(2026, 1, 1, tzinfo=UTC),
                ends_at=datetime(2026, 1, 2, tzinfo=UTC),
            )
            for number in range(20)
        )
    with django_assert_max_num_queries(8):
        phone.get(path)


def test_what_cannot_be_done_is_told(phone_of: PhoneOf, acme: Persona) -> None:
    phone = phone_of(acme)
    for method in ("post", "put", "patch", "delete"):
        response = getattr(phone, method)("/api/v1/jobs/")
        assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")


# --- The board


def test_the_board_asks_for_a_sign_in_and_then_returns(acme: Persona) -> None:
    response = Client(HTTP_HOST=acme.host).get("/?day=2026-11-23")
    assert (response.status_code, response.headers["Location"]) == (
        302,
        "/login/?next=/%3Fday%3D2026-11-23",
    )


def test_the_board_is_not_for_technicians(acme: Persona) -> None:
    response = browser_of(acme, acme.technician).get("/")
    assert response.status_code == 403
    said = response.content.decode()
    assert "You have no access to this page" in said
    assert 'id="page-data"' not in said


@pytest.mark.parametrize("role", DISPATCH)
def test_the_board_tells_its_script_where_it_is(
    role: str, acme: Persona, page_data: Callable[[str], dict[str, Any]]
) -> None:
    response = browser_of(acme, getattr(acme, role)).get("/")
    assert response.status_code == 200
    page = page_data(response.content.decode())
    assert page["company"] == {"name": "Acme Inc", "schema": "acme", "time_zone": "UTC"}
    assert page["user"]["email"] == getattr(acme, role)
    assert page["user"]["role"] == role
    assert page["cable_url"] == "/cable"
    assert page["map_style_url"] == "/static/basemap/style.json"


def test_a_name_cannot_write_script_into_the_board(
    acme: Persona, page_data: Callable[[str], dict[str, Any]]
) -> None:
    name = '</script><script>alert("x")</script>'
    with company_scope(acme.schema):
        User.objects.filter(email=acme.owner).update(name=name)
    said = browser_of(acme, acme.owner).get("/").content.decode()
    assert "<script>alert" not in said
    assert page_data(said)["user"]["name"] == name


def test_a_signed_in_page_is_kept_by_no_cache(acme: Persona) -> None:
    headers = browser_of(acme).get("/").headers
    assert "Cookie" in headers["Vary"]
    assert headers["X-Frame-Options"] == "DENY"
