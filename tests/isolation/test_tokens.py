"""Tokens that somebody made up, bent or borrowed."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import jwt
import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dispatch.tokens
from dispatch.models import PhoneSession
from tenants.context import company_scope
from tests.isolation.evidence import nothing_happens
from tests.isolation.intruders import phone
from tests.world import Persona

pytestmark = pytest.mark.django_db

Forge = Callable[[dict[str, Any], Persona], str]


def ask(persona: Persona, authorization: str) -> tuple[int, str]:
    response = Client(HTTP_HOST=persona.host).get(
        "/api/v1/me/", headers={"Authorization": authorization}
    )
    assert persona.marker not in response.content.decode() or response.status_code == 200
    return response.status_code, response.json().get("code")


def claims_of(persona: Persona) -> dict[str, Any]:
    """The claims of a good access token."""
    return jwt.decode(phone(persona)["access"], options={"verify_signature": False})


def _segment(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _resigned(claims: dict[str, Any], **changes: Any) -> str:
    """Signed by Sera's own key: what is wrong is what it says."""
    return jwt.encode({**claims, **changes}, dispatch.tokens._key(), algorithm="HS256")


def _spliced(claims: dict[str, Any], **changes: Any) -> str:
    """The claims changed, the signature of the ones before kept."""
    header, _, signature = _resigned(claims).split(".")
    return f"{header}.{_segment({**claims, **changes})}.{signature}"


FORGED: dict[str, tuple[Forge, str]] = {
    "alg none": (lambda c, o: jwt.encode(c, None, algorithm="none"), "token_invalid"),
    "alg None, by hand": (
        lambda c, o: f"{_segment({'alg': 'None', 'typ': 'JWT'})}.{_segment(c)}.",
        "token_invalid",
    ),
    "another key": (lambda c, o: jwt.encode(c, "k" * 32, algorithm="HS256"), "token_invalid"),
    "the site's SECRET_KEY itself": (
        lambda c, o: jwt.encode(c, dispatch.tokens.settings.SECRET_KEY, algorithm="HS256"),
        "token_invalid",
    ),
    "another algorithm with our key": (
        lambda c, o: jwt.encode(c, dispatch.tokens._key() * 2, algorithm="HS512"),
        "token_invalid",
    ),
    "the company changed": (lambda c, o: _spliced(c, company=o.company.id), "token_invalid"),
    "the user changed": (lambda c, o: _spliced(c, user=1, role="owner"), "token_invalid"),
    "signed for the other company": (
        lambda c, o: _resigned(c, company=o.company.id),
        "token_wrong_company",
    ),
    "the schema in place of the company": (
        lambda c, o: _resigned(c, company="acme"),
        "token_wrong_company",
    ),
    "no company": (
        lambda c, o: _resigned({k: v for k, v in c.items() if k != "company"}),
        "token_invalid",
    ),
    "company null": (lambda c, o: _resigned(c, company=None), "token_invalid"),
    "no expiry": (
        lambda c, o: _resigned({k: v for k, v in c.items() if k != "exp"}),
        "token_invalid",
    ),
    "expired": (lambda c, o: _resigned(c, exp=int(time.time()) - 3), "token_expired"),
    "another issuer": (lambda c, o: _resigned(c, iss="somebody"), "token_invalid"),
    "a refresh token": (lambda c, o: _resigned(c, kind="refresh"), "token_wrong_kind"),
    "an invented kind": (lambda c, o: _resigned(c, kind="admin"), "token_invalid"),
    "another user's session": (lambda c, o: _resigned(c, user=1), "token_revoked"),
    "an invented session": (lambda c, o: _resigned(c, session=str(uuid.uuid4())), "token_revoked"),
    "a user that is no number": (lambda c, o: _resigned(c, user="1 OR 1=1"), "token_invalid"),
    "a user past every id": (lambda c, o: _resigned(c, user=2**63 - 1), "token_revoked"),
    "claims that are a list": (
        lambda c, o: f"{_segment({'alg': 'HS256'})}.{_segment([c])}.x",
        "token_invalid",
    ),
    "very long": (lambda c, o: "a." + "b" * 60_000 + ".c", "token_invalid"),
    "many dots": (lambda c, o: "." * 5000, "token_invalid"),
    "not ASCII": (lambda c, o: "Müller.Straße.Ω", "token_invalid"),
    "NUL and line feed": (lambda c, o: "a\x00b.\x07c.d", "token_invalid"),
    "empty": (lambda c, o: "", "token_invalid"),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_token_is_refused(what: str, acme: Persona, globex: Persona) -> None:
    forge, code = FORGED[what]
    token = forge(claims_of(acme), globex)
    with nothing_happens():
        assert ask(acme, f"Bearer {token}") == (401, code)


def test_the_token_that_they_were_made_from_is_good(acme: Persona) -> None:
    assert ask(acme, f"Bearer {_resigned(claims_of(acme))}") == (200, None)


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ("Bearer {}", 200),
        ("bearer {}", 200),
        ("Bearer  {}", 200),
        ("{}", 401),
        ("Token {}", 401),
        ("JWT {}", 401),
        ("Basic {}", 401),
        ("Bearer: {}", 401),
        ("Bearer={}", 401),
        ('Bearer "{}"', 401),
        ("Bearer {} {}", 401),
        ("Bearer", 401),
    ],
)
def test_forms_of_the_header(form: str, status: int, acme: Persona) -> None:
    access = phone(acme)["access"]
    assert ask(acme, form.format(access, access))[0] == status


def test_a_token_elsewhere_than_in_the_header_is_not_looked_at(acme: Persona) -> None:
    access = phone(acme)["access"]
    client = Client(HTTP_HOST=acme.host)
    client.cookies["sessionid"] = access
    for path in (f"/api/v1/me/?jid={access}", f"/api/v1/me/?access_token={access}"):
        response = client.get(path, headers={"X-JID": access})
        assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")


def test_an_access_token_renews_and_revokes_nothing(acme: Persona) -> None:
    access = phone(acme)["access"]
    client = Client(HTTP_HOST=acme.host)
    with nothing_happens():
        for verb in ("refresh", "revoke"):
            response = client.post(
                f"/api/v1/auth/token/{verb}/", {"refresh": access}, content_type="application/json"
            )
            assert (response.status_code, response.json()["code"]) == (401, "token_wrong_kind")


def test_a_token_says_nothing_that_the_database_does_not(acme: Persona) -> None:
    """Role and technician are read anew: a signed lie about them changes nothing."""
    token = _resigned(claims_of(acme), role="owner", technician=2)
    response = Client(HTTP_HOST=acme.host).get(
        "/api/v1/technicians/", headers={"Authorization": f"Bearer {token}"}
    )
    assert [row["id"] for row in response.json()["results"]] == [acme.technician_id]


def test_a_session_of_the_same_id_in_the_other_company_opens_nothing(
    acme: Persona, globex: Persona
) -> None:
    """Even a session row with equal ids does not help: the claim names the company."""
    token = phone(acme)["access"]
    claims = claims_of(acme)
    with company_scope(globex.schema):
        first = PhoneSession(
            id=claims["session"], user_id=claims["user"], rotated_at=_now(), expires_at=_now()
        )
        first.save(force_insert=True)
    assert ask(globex, f"Bearer {token}") == (401, "token_wrong_company")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    raw=st.one_of(
        st.text(st.characters(max_codepoint=255, blacklist_characters="\r\n"), max_size=200),
        st.lists(
            st.text("abcdefghijklmnopqrstuvwxyz0123456789-_=", max_size=40), min_size=2, max_size=4
        ).map(".".join),
    )
)
def test_no_header_breaks_the_door(raw: str, acme: Persona) -> None:
    """Bytes outside of ASCII reach Django as Latin-1, whatever they were meant as."""
    assert ask(acme, f"Bearer {raw}")[0] == 401


def test_a_clock_that_jumped_back_refuses_tokens_from_the_future(acme: Persona) -> None:
    with patch.object(dispatch.tokens.time, "time", return_value=time.time() + 3600):
        token = phone(acme)["access"]
    assert ask(acme, f"Bearer {token}") == (401, "token_invalid")


def _now() -> Any:
    from django.utils import timezone

    return timezone.now()
