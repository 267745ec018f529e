"""Signing in: phones by the API, people by the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.conf import settings
from django.test import Client

from dispatch.models import PhoneSession, User
from tenants.context import company_scope
from tests.world import PASSWORD, Persona

pytestmark = pytest.mark.django_db

ClientOf = Callable[..., Client]
WRONG = {
    "detail": "this e-mail address and password do not belong together here",
    "code": "wrong_credentials",
}
WRONG_ON_PAGE = "This e-mail address and password do not belong together here."
TOO_MANY = "too many sign-in attempts for this e-mail address; wait 5 minutes"


def sign_in(client: Client, email: Any, password: Any = PASSWORD, **extra: Any) -> Any:
    return client.post(
        "/api/v1/auth/token/",
        {"email": email, "password": password},
        content_type="application/json",
        **extra,
    )


def submit(client: Client, email: str, password: str = PASSWORD, query: str = "") -> Any:
    return client.post(f"/login/{query}", {"username": email, "password": password})


def phones(persona: Persona) -> int:
    with company_scope(persona.schema):
        return PhoneSession.objects.count()


# --- Phones


def test_the_right_password_begins_a_phone_session(client_of: ClientOf, acme: Persona) -> None:
    response = sign_in(client_of(acme), acme.technician)
    assert response.status_code == 200
    assert set(response.json()) == {"access", "refresh"}
    assert phones(acme) == 1
    me = client_of(acme).get(
        "/api/v1/me/", headers={"Authorization": f"Bearer {response.json()['access']}"}
    )
    assert me.json()["email"] == acme.technician


def test_an_address_is_the_same_in_capital_letters(client_of: ClientOf, acme: Persona) -> None:
    assert sign_in(client_of(acme), acme.technician.upper()).status_code == 200


def test_each_sign_in_is_a_session_of_its_own(client_of: ClientOf, acme: Persona) -> None:
    pairs = [sign_in(client_of(acme), acme.technician).json() for _ in range(2)]
    assert phones(acme) == 2
    revoked = client_of(acme).post(
        "/api/v1/auth/token/revoke/",
        {"refresh": pairs[0]["refresh"]},
        content_type="application/json",
    )
    assert revoked.status_code == 204
    statuses = [
        client_of(acme)
        .get("/api/v1/me/", headers={"Authorization": f"Bearer {pair['access']}"})
        .status_code
        for pair in pairs
    ]
    assert statuses == [401, 200]


@pytest.mark.parametrize(
    ("who", "password"),
    [
        ("technician", "correct horse "),
        ("technician", "Correct horse"),
        ("technician", "x"),
        ("nobody@acme.test", PASSWORD),
        ("tech@globex.test", PASSWORD),
    ],
)
def test_wrong_credentials_are_told_apart_by_nobody(
    who: str, password: str, client_of: ClientOf, acme: Persona
) -> None:
    email = getattr(acme, who, who)
    response = sign_in(client_of(acme), email, password)
    assert (response.status_code, response.json()) == (401, WRONG)
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert phones(acme) == 0


def test_a_deactivated_user_does_not_sign_in(client_of: ClientOf, acme: Persona) -> None:
    with company_scope(acme.schema):
        User.objects.filter(email=acme.technician).update(is_active=False)
    response = sign_in(client_of(acme), acme.technician)
    assert (response.status_code, response.json()) == (401, WRONG)
    page = submit(client_of(acme), acme.technician)
    assert (page.status_code, WRONG_ON_PAGE in page.content.decode()) == (200, True)
    assert phones(acme) == 0


def test_the_same_address_and_another_password_at_the_other_company(
    client_of: ClientOf, acme: Persona, globex: Persona
) -> None:
    with company_scope(globex.schema):
        user = User.objects.get(email=globex.technician)
        user.email = acme.technician
        user.set_password("another horse")
        user.save()
    assert sign_in(client_of(globex), acme.technician).status_code == 401
    assert sign_in(client_of(globex), acme.technician, "another horse").status_code == 200
    assert sign_in(client_of(acme), acme.technician).status_code == 200
    assert sign_in(client_of(acme), acme.technician, "another horse").status_code == 401


@pytest.mark.parametrize(
    ("body", "field", "value", "message"),
    [
        ({"password": PASSWORD}, "email", None, "This field is required."),
        ({"email": "tech@acme.test"}, "password", None, "This field is required."),
        (
            {"email": "tech", "password": PASSWORD},
            "email",
            "tech",
            "Enter a valid email address.",
        ),
        ({"email": 7, "password": PASSWORD}, "email", 7, "Enter a valid email address."),
        ({"email": [], "password": "x"}, "email", "[]", "Enter a valid email address."),
        ({"email": "tech@acme.test", "password": {}}, "password", None, "Not a valid string."),
        (
            {"email": "tech@acme.test", "password": ""},
            "password",
            None,
            "This field may not be blank.",
        ),
        (
            {"email": "a" * 300 + "@acme.test", "password": PASSWORD},
            "email",
            "a" * 80 + "…",
            "Ensure this field has no more than 254 characters.",
        ),
        ([], "non_field_errors", None, "Invalid data. Expected a dictionary, but got list."),
    ],
)
def test_a_form_that_is_not_filled_in(
    body: Any, field: str, value: Any, message: str, client_of: ClientOf, acme: Persona
) -> None:
    response = client_of(acme).post("/api/v1/auth/token/", body, content_type="application/json")
    assert response.status_code == 400
    assert {"field": field, "value": value, "message": message} in response.json()["errors"]
    assert PASSWORD not in response.content.decode()


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "parse_error"),
        (b"\xff\xfe{}", "application/json", 400, "parse_error"),
        (b"[" * 100_000, "application/json", 400, "parse_error"),
        (b'{"email": NaN, "password": "x"}', "application/json", 400, "parse_error"),
        (b"email=a&password=b", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
    ],
)
def test_a_body_that_is_no_form(
    body: bytes, content_type: str, status: int, code: str, client_of: ClientOf, acme: Persona
) -> None:
    response = client_of(acme).generic("POST", "/api/v1/auth/token/", body, content_type)
    assert (response.status_code, response.json()["code"]) == (status, code)


@pytest.mark.parametrize("password", ["\ud800", "a\x00b", "p" * 257, "\x00"])
def test_a_password_that_no_database_holds(
    password: str, client_of: ClientOf, acme: Persona
) -> None:
    body = json.dumps({"email": acme.technician, "password": password})
    response = client_of(acme).generic("POST", "/api/v1/auth/token/", body, "application/json")
    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert (error["field"], error["value"]) == ("password", None)


def test_an_address_that_no_database_holds(client_of: ClientOf, acme: Persona) -> None:
    for email in ("\ud800@acme.test", "a\x00@acme.test", "\ud83d\ude00@acme.test"):
        body = json.dumps({"email": email, "password": PASSWORD})
        response = client_of(acme).generic("POST", "/api/v1/auth/token/", body, "application/json")
        assert response.status_code == 400
        assert {error["field"] for error in response.json()["errors"]} == {"email"}


# --- Attempts


def test_too_many_attempts_close_one_address_from_one_place(
    client_of: ClientOf, acme: Persona, globex: Persona
) -> None:
    client = client_of(acme)
    statuses = [sign_in(client, acme.technician, "guess").status_code for _ in range(11)]
    assert statuses == [401] * settings.SIGN_IN_ATTEMPTS + [429]
    # The right password does not open it either, nor in other letters, nor by the page.
    closed = sign_in(client, acme.technician.upper())
    assert (closed.status_code, closed.json()) == (
        429,
        {"detail": TOO_MANY, "code": "too_many_attempts"},
    )
    assert int(closed.headers["Retry-After"]) <= settings.SIGN_IN_WINDOW_SECONDS
    page = submit(client, acme.technician)
    assert (page.status_code, TOO_MANY[1:] in page.content.decode()) == (200, True)
    assert phones(acme) == 0
    # Others are not locked out: a colleague, the same person elsewhere, the other company.
    assert sign_in(client, acme.second_technician).status_code == 200
    assert sign_in(client, acme.technician, REMOTE_ADDR="192.0.2.7").status_code == 200
    assert sign_in(client_of(globex), globex.technician).status_code == 200


def test_a_good_sign_in_forgets_the_attempts_before(client_of: ClientOf, acme: Persona) -> None:
    client = client_of(acme)
    for _ in range(3):
        for _ in range(settings.SIGN_IN_ATTEMPTS - 1):
            assert sign_in(client, acme.technician, "guess").status_code == 401
        assert sign_in(client, acme.technician).status_code == 200


def test_attempts_by_the_page_and_by_the_api_count_together(
    client_of: ClientOf, acme: Persona
) -> None:
    client = client_of(acme)
    for _ in range(settings.SIGN_IN_ATTEMPTS // 2):
        assert submit(client, acme.technician, "guess").status_code == 200
        assert sign_in(client, acme.technician, "guess").status_code == 401
    assert sign_in(client, acme.technician).status_code == 429


def test_the_door_opens_again_when_the_window_ends(client_of: ClientOf, acme: Persona) -> None:
    client = client_of(acme)
    for _ in range(settings.SIGN_IN_ATTEMPTS + 1):
        closed = sign_in(client, acme.technician, "guess")
    assert closed.status_code == 429
    _let_the_window_end()
    assert sign_in(client, acme.technician).status_code == 200


def test_refused_attempts_do_not_make_the_window_longer(client_of: ClientOf, acme: Persona) -> None:
    client = client_of(acme)
    for _ in range(settings.SIGN_IN_ATTEMPTS):
        sign_in(client, acme.technician, "guess")
    before = _milliseconds_left()
    assert sign_in(client, acme.technician, "guess").status_code == 429
    assert 0 < _milliseconds_left() <= before


def _valkey() -> redis.Redis:
    return redis.Redis.from_url(settings.CACHES["default"]["LOCATION"])


def _counters(client: redis.Redis) -> list[bytes]:
    """The keys that count attempts, from here and from everywhere; Valkey ends their windows."""
    keys = list(client.scan_iter("company:acme:*sign-in:*", count=1000))
    assert len(keys) == 2
    return keys


def _let_the_window_end() -> None:
    with _valkey() as client:
        for key in _counters(client):
            client.pexpire(key, 0)


def _milliseconds_left() -> int:
    with _valkey() as client:
        return max(client.pttl(key) for key in _counters(client))
