"""Other people's ids, other people's roles, other hosts, closed companies."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver

import sera.urls_public
from dispatch.actions.people import create_technician
from dispatch.tokens import encode_token
from tenants.context import company_scope
from tenants.queries import Company
from tests.dispatch.browsers import browser_of
from tests.isolation.evidence import nothing_happens
from tests.isolation.intruders import STAFF_HOST, Intruder, code_of, staff_cookie, with_token
from tests.isolation.routes import FIX, ROUTES, Door, Route
from tests.world import PASSWORD, Persona
from tracking.actions import STORED, record_fixes
from tracking.fixes import FixForm
from tracking.models import Fix

pytestmark = pytest.mark.django_db

GET = Route(Door.API)


def test_an_id_of_the_other_company_is_unknown_here(acme: Persona, globex: Persona) -> None:
    with company_scope(globex.schema):
        third = create_technician(
            email="third@globex.test",
            password=PASSWORD,
            name=f"Theo {globex.marker}",
            color="#111111",
        )
    owner = with_token(acme, email=acme.owner)
    with nothing_happens():
        response = owner.knock("GET", f"/api/v1/fixes/?technician={third.pk}", GET, acme.host)
    assert (response.status_code, code_of(response)) == (404, "unknown_technician")
    assert globex.marker not in response.content.decode()


def test_equal_ids_read_ones_own_company(acme: Persona, globex: Persona) -> None:
    """Technician 1 is in both companies; so is the id of this fix."""
    for persona, lat in ((acme, 1.5), (globex, 2.5)):
        form = FixForm(
            id=uuid.UUID(FIX["id"]), recorded_at=datetime(2026, 11, 22, tzinfo=UTC), lat=lat, lon=0
        )
        with company_scope(persona.schema):
            assert record_fixes(technician_id=1, fixes=[form]).outcomes == [STORED]
    for persona, lat in ((acme, 1.5), (globex, 2.5)):
        owner = with_token(persona, email=persona.owner)
        history = owner.knock("GET", "/api/v1/fixes/?technician=1", GET, persona.host).json()
        positions = owner.knock("GET", "/api/v1/positions/", GET, persona.host).json()
        assert [fix["lat"] for fix in history["results"]] == [lat]
        assert [position["lat"] for position in positions["results"]] == [lat]


def test_a_write_in_one_company_changes_no_row_of_the_other(acme: Persona, globex: Persona) -> None:
    phone = with_token(acme)
    response = phone.knock("POST", "/api/v1/fixes/", ROUTES["POST", "/api/v1/fixes/"], acme.host)
    assert response.status_code == 201
    with company_scope(acme.schema):
        assert Fix.objects.count() == 1
    with company_scope(globex.schema):
        assert Fix.objects.count() == 0


def test_a_sign_in_counts_only_in_its_own_company(acme: Persona, globex: Persona) -> None:
    """The same address at the other company is not locked out by guesses made here."""
    client = Client(HTTP_HOST=acme.host)
    wrong = {"email": globex.technician, "password": "guess"}
    for _ in range(11):
        refused = client.post("/api/v1/auth/token/", wrong, content_type="application/json")
    assert refused.status_code == 429
    assert with_token(globex).headers


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 403, None),
        ("GET", "/api/v1/fixes/?technician=2", 404, "unknown_technician"),
        ("GET", "/api/v1/trips/?technician=2", 404, "unknown_technician"),
        ("GET", "/api/v1/technicians/2/days/", 404, "unknown_technician"),
        ("GET", "/api/v1/technicians/2/positions/export/", 404, "unknown_technician"),
    ],
)
def test_a_technician_stays_out_of_what_is_not_theirs(
    method: str, path: str, status: int, code: str | None, acme: Persona
) -> None:
    intruder = Intruder(acme, cookie=browser_of(acme, acme.technician).cookies["sessionid"].value)
    with nothing_happens():
        response = intruder.knock(method, path, GET, acme.host)
    assert (response.status_code, code_of(response)) == (status, code)
    assert acme.marker not in response.content.decode()


def test_a_dispatcher_posts_no_fixes_for_a_technician(acme: Persona) -> None:
    intruder = with_token(acme, email=acme.dispatcher)
    body = {**FIX, "technician": 1, "technician_id": 1}
    with nothing_happens():
        response = intruder.knock("POST", "/api/v1/fixes/", Route(Door.API, body=body), acme.host)
    assert (response.status_code, code_of(response)) == (403, "not_a_technician")
    assert acme.dispatcher in response.json()["detail"]


def test_a_phone_names_no_other_technician(acme: Persona) -> None:
    body = {**FIX, "technician": 2, "technician_id": 2, "company": "globex"}
    response = with_token(acme).knock(
        "POST", "/api/v1/fixes/?technician=2", Route(Door.API, body=body), acme.host
    )
    assert response.status_code == 400
    assert [(error["field"], error["value"]) for error in response.json()["errors"]] == [
        ("technician", 2),
        ("technician_id", 2),
    ]
    with company_scope(acme.schema):
        assert not Fix.objects.exists()


# --- The staff's host


def addresses(patterns: list[Any], prefix: str, object_id: str) -> list[str]:
    """Every address of the staff's site, with a real id where one is asked for."""
    found: list[str] = []
    for pattern in patterns:
        route = str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            # The regular expression for `/admin/<app>/` of the apps that have screens.
            found += addresses(pattern.url_patterns, prefix + route, object_id)
        elif isinstance(pattern, URLPattern) and "(?P" not in route:
            for name in ("object_id", "path:object_id", "int:content_type_id"):
                route = route.replace(f"<{name}>", object_id)
            found.append(prefix + route)
    return found


def test_a_companys_cookie_or_token_opens_nothing_of_the_staffs(acme: Persona) -> None:
    """The same user ids exist there, and the cookie has the same name."""
    staff_cookie()
    cookie = browser_of(acme, acme.owner).cookies["sessionid"].value
    paths = addresses(sera.urls_public.urlpatterns, "/", acme.company.id)
    assert f"/admin/tenants/tenant/{acme.company.id}/change/" in paths
    token = with_token(acme, email=acme.owner).headers
    with nothing_happens():
        for path in paths:
            if "<" in path or path in ("/", "/admin/login/", "/admin/jsi18n/"):
                continue
            for method in ("GET", "POST"):
                response = Intruder(acme, token, cookie).knock(method, path, GET, STAFF_HOST)
                assert response.status_code in (302, 404, 405), (method, path)
                where = code_of(response)
                assert where is None or where.startswith("/admin/"), (method, path)
                said = response.content.decode()
                assert acme.marker not in said and acme.company.name not in said, (method, path)


@pytest.mark.parametrize("path", ["/api/v1/me/", "/api/v1/fixes/", "/login/", "/api/schema/"])
def test_nothing_of_a_company_answers_on_the_staffs_host(path: str, acme: Persona) -> None:
    intruder = with_token(acme, email=acme.owner)
    with nothing_happens():
        for method in ("GET", "POST"):
            response = intruder.knock(method, path, Route(Door.API, body=FIX), STAFF_HOST)
            assert response.status_code == 404, (method, path)


def test_a_company_user_does_not_sign_in_as_staff_nor_staff_as_a_user(acme: Persona) -> None:
    staff_cookie()
    form = {"username": acme.owner, "password": PASSWORD}
    staff = {"email": "staff@sera.test", "password": PASSWORD}
    with nothing_happens():
        at_staff = Client(HTTP_HOST=STAFF_HOST).post("/admin/login/", form)
        at_acme = Client(HTTP_HOST=acme.host).post(
            "/api/v1/auth/token/", staff, content_type="application/json"
        )
        form = {"username": "staff@sera.test", "password": PASSWORD}
        at_acmes_page = Client(HTTP_HOST=acme.host).post("/login/", form)
    assert (at_staff.status_code, "sessionid" in at_staff.cookies) == (200, False)
    assert (at_acmes_page.status_code, "sessionid" in at_acmes_page.cookies) == (200, False)
    assert (at_acme.status_code, code_of(at_acme)) == (401, "wrong_credentials")


# --- Hosts without a company in service


@pytest.mark.parametrize(
    "host",
    [
        "nobody.localhost",
        "acme.localhost.evil.test",
        "evil.test",
        "acme",
        "a b",
        "public.localhost",
        "template.localhost",
    ],
)
def test_an_unknown_host_is_told_so_at_every_address(host: str, acme: Persona) -> None:
    intruder = with_token(acme)
    with nothing_happens():
        for (method, path), route in ROUTES.items():
            response = intruder.knock(method, path, route, host)
            answer = (response.status_code, code_of(response))
            assert answer == (404, "unknown_company"), (method, path)
            assert acme.marker not in response.content.decode()


def test_a_suspended_company_is_told_so_at_every_address(suspended: Company, acme: Persona) -> None:
    token = encode_token(
        kind="access",
        company=suspended,
        user=1,
        session=uuid.uuid4(),
        role="owner",
        technician=None,
        jti="1",
    )
    intruder = Intruder(acme, {"Authorization": f"Bearer {token}"}, refresh=token)
    with nothing_happens():
        for (method, path), route in ROUTES.items():
            response = intruder.knock(method, path, route, "initech.localhost")
            assert response.status_code == 403, (method, path)
            assert response.json() == {
                "detail": "Initech Inc is suspended and cannot be used now.",
                "code": "company_suspended",
            }


def test_people_get_a_page_where_programs_get_json(suspended: Company, acme: Persona) -> None:
    nobody = Intruder(acme)
    closed = nobody.knock("GET", "/", GET, "initech.localhost", Accept="text/html")
    unknown = nobody.knock("GET", "/", GET, "nobody.localhost", Accept="text/html")
    assert (closed.status_code, unknown.status_code) == (403, 404)
    assert "Initech Inc is suspended and cannot be used now." in closed.content.decode()
    assert "<strong>nobody.localhost</strong>" in unknown.content.decode()
