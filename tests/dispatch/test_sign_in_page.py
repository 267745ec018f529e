"""Signing in and out with a browser."""

from __future__ import annotations

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from dispatch.models import User
from tenants.context import company_scope
from tests.dispatch.browsers import browser_of
from tests.dispatch.test_sign_in import WRONG_ON_PAGE, ClientOf, submit
from tests.world import PASSWORD, Persona

pytestmark = pytest.mark.django_db


def test_the_page_leads_to_the_board(client_of: ClientOf, acme: Persona) -> None:
    client = client_of(acme)
    page = client.get("/login/")
    assert page.status_code == 200
    assert "Acme Inc" in page.content.decode()
    response = submit(client, acme.dispatcher)
    assert (response.status_code, response.headers["Location"]) == (302, "/")
    cookie = response.cookies["sessionid"]
    assert (cookie["httponly"], cookie["samesite"], cookie["domain"]) == (True, "Lax", "")
    assert client.get("/").status_code == 200


def test_a_new_session_begins_at_sign_in(client_of: ClientOf, acme: Persona) -> None:
    """A cookie that somebody planted before does not become a signed-in one."""
    client = client_of(acme)
    client.cookies["sessionid"] = "planted0000000000000000000000000"
    submit(client, acme.dispatcher)
    assert client.cookies["sessionid"].value != "planted0000000000000000000000000"


@pytest.mark.parametrize(
    ("email", "password"), [("dispatcher", "wrong"), ("nobody@acme.test", PASSWORD)]
)
def test_the_page_tells_what_is_wrong(
    email: str, password: str, client_of: ClientOf, acme: Persona
) -> None:
    email = getattr(acme, email, email)
    response = submit(client_of(acme), email, password)
    said = response.content.decode()
    assert response.status_code == 200
    assert WRONG_ON_PAGE in said
    assert f'value="{email}"' in said
    assert password not in said
    with company_scope(acme.schema):
        assert Session.objects.count() == 0


def test_the_page_asks_for_what_is_missing(client_of: ClientOf, acme: Persona) -> None:
    said = submit(client_of(acme), "", "").content.decode()
    assert said.count("This field is required.") == 2


def test_a_form_of_another_site_is_refused(acme: Persona) -> None:
    client = Client(HTTP_HOST=acme.host, enforce_csrf_checks=True)
    response = submit(client, acme.dispatcher)
    assert response.status_code == 403
    assert "This form has expired" in response.content.decode()


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("/?day=2026-11-23", "/?day=2026-11-23"),
        ("/api/docs/", "/api/docs/"),
        ("http://acme.localhost/api/docs/", "http://acme.localhost/api/docs/"),
        ("https://evil.test/", "/"),
        ("//evil.test/", "/"),
        ("///evil.test/", "/"),
        ("/\\evil.test/", "/"),
        ("http://globex.localhost/", "/"),
        ("http://acme.localhost.evil.test/", "/"),
        ("http://acme.localhost@evil.test/", "/"),
        ("javascript:alert(1)", "/"),
        ("data:text/html,x", "/"),
        (" //evil.test/", "/"),
    ],
)
def test_the_page_leads_only_to_its_own_host(
    target: str, leads_to: str, client_of: ClientOf, acme: Persona
) -> None:
    client = client_of(acme)
    response = client.post(
        "/login/", {"username": acme.dispatcher, "password": PASSWORD, "next": target}
    )
    assert (response.status_code, response.headers["Location"]) == (302, leads_to)
    # Those who are signed in already are led on by the address's own parameter.
    again = client.get("/login/", {"next": target})
    assert (again.status_code, again.headers["Location"]) == (302, leads_to)


def test_signing_out_ends_the_session(acme: Persona) -> None:
    browser = browser_of(acme)
    stolen = browser.cookies["sessionid"].value
    assert browser.get("/").status_code == 200
    assert browser.get("/logout/").status_code == 405  # no link signs anybody out
    response = browser.post("/logout/")
    assert (response.status_code, response.headers["Location"]) == (302, "/login/")
    with company_scope(acme.schema):
        assert Session.objects.count() == 0
    thief = Client(HTTP_HOST=acme.host)
    thief.cookies["sessionid"] = stolen
    assert thief.get("/").headers["Location"] == "/login/?next=/"


def test_a_deactivated_users_session_ends_at_once(acme: Persona) -> None:
    browser = browser_of(acme)
    with company_scope(acme.schema):
        User.objects.filter(email=acme.dispatcher).update(is_active=False)
    assert browser.get("/").headers["Location"] == "/login/?next=/"
    assert browser.get("/api/v1/me/").status_code == 401


def test_a_new_password_ends_the_sessions_before(acme: Persona) -> None:
    browser = browser_of(acme)
    with company_scope(acme.schema):
        user = User.objects.get(email=acme.dispatcher)
        user.set_password("a new horse")
        user.save()
    assert browser.get("/").headers["Location"] == "/login/?next=/"


def test_a_session_writes_by_the_api_only_from_a_page_of_ours(acme: Persona) -> None:
    """A cookie alone, which another site can make a browser send, is not enough."""
    browser = Client(HTTP_HOST=acme.host, enforce_csrf_checks=True)
    browser.cookies = browser_of(acme, acme.technician).cookies
    fix = {"id": "0b7c9a52-54c4-4c57-8a3f-6a3f6f9f2f10", "recorded_at": "2026-11-22T10:00:00Z"}
    body = {**fix, "lat": 1, "lon": 1}
    refused = browser.post("/api/v1/fixes/", body, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    browser.get("/login/")
    browser.cookies["csrftoken"] = "a" * 32
    accepted = browser.post(
        "/api/v1/fixes/", body, content_type="application/json", headers={"X-CSRFToken": "a" * 32}
    )
    assert accepted.status_code == 201
