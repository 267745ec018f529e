"""A phone stays signed in by trading its refresh token, and is signed out at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import jwt
import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

import dispatch.tokens
from dispatch.actions.sign_in import delete_expired_sign_ins
from dispatch.models import PhoneSession, Technician, User
from dispatch.tasks import delete_expired_sign_ins as task
from tenants.context import company_scope
from tests.world import Persona

Tokens = Callable[..., dict[str, str]]
Pair = dict[str, str]

REUSED = "this refresh token was used before; the phone is signed out, sign in again"
REVOKED = "this phone was signed out; sign in again"


def renew(persona: Persona, refresh: str) -> Any:
    return Client(HTTP_HOST=persona.host).post(
        "/api/v1/auth/token/refresh/", {"refresh": refresh}, content_type="application/json"
    )


def revoke(persona: Persona, refresh: str) -> Any:
    return Client(HTTP_HOST=persona.host).post(
        "/api/v1/auth/token/revoke/", {"refresh": refresh}, content_type="application/json"
    )


def me(persona: Persona, access: str) -> tuple[int, str | None]:
    response = Client(HTTP_HOST=persona.host).get(
        "/api/v1/me/", headers={"Authorization": f"Bearer {access}"}
    )
    return response.status_code, response.json().get("code")


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def rotated(persona: Persona, ago: float) -> None:
    """Let the last rotation be `ago` seconds old."""
    with company_scope(persona.schema):
        PhoneSession.objects.update(rotated_at=timezone.now() - timedelta(seconds=ago))


pytestmark = pytest.mark.django_db


# --- Rotation


def test_a_refresh_token_buys_a_pair_that_works(tokens_of: Tokens, acme: Persona) -> None:
    first = tokens_of(acme)
    response = renew(acme, first["refresh"])
    assert response.status_code == 200
    second = response.json()
    assert set(second) == {"access", "refresh"}
    assert second["refresh"] != first["refresh"]
    assert me(acme, second["access"]) == (200, None)
    assert me(acme, first["access"]) == (200, None)  # until it runs out
    assert renew(acme, second["refresh"]).status_code == 200
    assert claims(first["refresh"])["session"] == claims(second["refresh"])["session"]


def test_lifetimes(tokens_of: Tokens, acme: Persona) -> None:
    pair = tokens_of(acme)
    for kind, seconds in (("access", 600), ("refresh", 30 * 24 * 3600)):
        said = claims(pair[kind])
        assert (said["kind"], said["exp"] - said["iat"]) == (kind, seconds)


def test_each_use_keeps_the_phone_signed_in_for_longer(tokens_of: Tokens, acme: Persona) -> None:
    pair = tokens_of(acme)
    soon = timezone.now() + timedelta(days=1)
    with company_scope(acme.schema):
        PhoneSession.objects.update(expires_at=soon)
    assert renew(acme, pair["refresh"]).status_code == 200
    with company_scope(acme.schema):
        assert PhoneSession.objects.get().expires_at > soon + timedelta(days=28)


def test_the_token_before_is_taken_again_for_a_minute(tokens_of: Tokens, acme: Persona) -> None:
    """The answer with the new pair may have been lost on the way."""
    first = tokens_of(acme)
    second = renew(acme, first["refresh"]).json()
    rotated(acme, ago=settings.REFRESH_REUSE_SECONDS - 5)
    response = renew(acme, first["refresh"])
    assert response.status_code == 200
    # It leads to the same successor, so both ways go on as one.
    assert claims(response.json()["refresh"])["jti"] == claims(second["refresh"])["jti"]
    assert renew(acme, response.json()["refresh"]).status_code == 200


def test_later_use_of_it_signs_both_out(tokens_of: Tokens, acme: Persona) -> None:
    first = tokens_of(acme)
    second = renew(acme, first["refresh"]).json()
    rotated(acme, ago=settings.REFRESH_REUSE_SECONDS + 1)
    response = renew(acme, first["refresh"])
    assert (response.status_code, response.json()) == (
        401,
        {"detail": REUSED, "code": "token_reused"},
    )
    for refresh in (first["refresh"], second["refresh"]):
        dead = renew(acme, refresh)
        assert (dead.status_code, dead.json()) == (
            401,
            {"detail": REVOKED, "code": "token_revoked"},
        )
    for access in (first["access"], second["access"]):
        assert me(acme, access) == (401, "token_revoked")


def test_a_token_two_turns_old_signs_out_at_any_time(tokens_of: Tokens, acme: Persona) -> None:
    first = tokens_of(acme)
    second = renew(acme, first["refresh"]).json()
    third = renew(acme, second["refresh"]).json()
    assert renew(acme, first["refresh"]).json()["code"] == "token_reused"
    assert renew(acme, third["refresh"]).json()["code"] == "token_revoked"


def test_a_stolen_token_of_one_phone_leaves_the_others_signed_in(
    tokens_of: Tokens, acme: Persona
) -> None:
    phone, tablet = tokens_of(acme), tokens_of(acme)
    renew(acme, phone["refresh"])
    with company_scope(acme.schema):
        stolen = PhoneSession.objects.get(pk=claims(phone["refresh"])["session"])
        stolen.rotated_at -= timedelta(hours=1)
        stolen.save()
    assert renew(acme, phone["refresh"]).json()["code"] == "token_reused"
    assert me(acme, tablet["access"]) == (200, None)
    assert renew(acme, tablet["refresh"]).status_code == 200


# --- Time


def test_an_expired_refresh_token_asks_for_a_new_sign_in(tokens_of: Tokens, acme: Persona) -> None:
    past = timezone.now().timestamp() - settings.REFRESH_TOKEN_SECONDS - 60
    with patch.object(dispatch.tokens.time, "time", return_value=past):
        pair = tokens_of(acme)
    for ask in (renew, revoke):
        response = ask(acme, pair["refresh"])
        assert (response.status_code, response.json()) == (
            401,
            {
                "detail": "this refresh token has expired; sign in again at /api/v1/auth/token/",
                "code": "token_expired",
            },
        )


def test_an_expired_access_token_asks_to_be_renewed(tokens_of: Tokens, acme: Persona) -> None:
    past = timezone.now().timestamp() - settings.ACCESS_TOKEN_SECONDS - 60
    with patch.object(dispatch.tokens.time, "time", return_value=past):
        pair = tokens_of(acme)
    response = Client(HTTP_HOST=acme.host).get(
        "/api/v1/me/", headers={"Authorization": f"Bearer {pair['access']}"}
    )
    assert (response.status_code, response.json()) == (
        401,
        {
            "detail": "this access token has expired; renew it at /api/v1/auth/token/refresh/",
            "code": "token_expired",
        },
    )
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert renew(acme, pair["refresh"]).status_code == 200


@pytest.mark.parametrize(("seconds", "status"), [(-30, 200), (30, 200), (90, 401)])
def test_clocks_may_differ_a_little(
    seconds: int, status: int, tokens_of: Tokens, acme: Persona
) -> None:
    """The token ran out `seconds` ago by the clock of the server that reads it."""
    issued = timezone.now().timestamp() - settings.ACCESS_TOKEN_SECONDS - seconds
    with patch.object(dispatch.tokens.time, "time", return_value=issued):
        pair = tokens_of(acme)
    with patch.object(dispatch.tokens, "CLOCK_LEEWAY_SECONDS", 60):
        assert me(acme, pair["access"])[0] == status


# --- Signing out


def test_revoking_refuses_the_access_token_at_once(tokens_of: Tokens, acme: Persona) -> None:
    pair = tokens_of(acme)
    assert me(acme, pair["access"]) == (200, None)
    response = revoke(acme, pair["refresh"])
    assert (response.status_code, response.content) == (204, b"")
    assert me(acme, pair["access"]) == (401, "token_revoked")
    assert renew(acme, pair["refresh"]).json() == {"detail": REVOKED, "code": "token_revoked"}
    assert revoke(acme, pair["refresh"]).json()["code"] == "token_revoked"


def test_a_fix_of_a_phone_that_was_signed_out_is_refused(
    phone_of: Callable[..., Client], tokens_of: Tokens, acme: Persona
) -> None:
    phone = phone_of(acme)
    with company_scope(acme.schema):
        PhoneSession.objects.update(revoked_at=timezone.now())
    response = phone.post("/api/v1/fixes/", [], content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (401, "token_revoked")


def test_a_user_who_left_is_signed_out_everywhere(tokens_of: Tokens, acme: Persona) -> None:
    pair = tokens_of(acme)
    with company_scope(acme.schema):
        User.objects.filter(email=acme.technician).update(is_active=False)
    assert me(acme, pair["access"]) == (401, "token_revoked")
    assert renew(acme, pair["refresh"]).json()["code"] == "token_revoked"
    with company_scope(acme.schema):
        User.objects.filter(email=acme.technician).update(is_active=True)
    assert me(acme, pair["access"]) == (200, None)


def test_a_new_role_holds_at_once(tokens_of: Tokens, acme: Persona) -> None:
    pair = tokens_of(acme, acme.dispatcher)
    with company_scope(acme.schema):
        User.objects.filter(email=acme.dispatcher).update(role=User.Role.TECHNICIAN)
    response = Client(HTTP_HOST=acme.host).get(
        "/api/v1/technicians/", headers={"Authorization": f"Bearer {pair['access']}"}
    )
    assert response.json() == {"results": []}
    assert claims(renew(acme, pair["refresh"]).json()["access"])["role"] == "technician"


def test_a_technician_out_of_service_is_none_in_the_token(tokens_of: Tokens, acme: Persona) -> None:
    assert claims(tokens_of(acme)["access"])["technician"] == acme.technician_id
    with company_scope(acme.schema):
        Technician.objects.filter(pk=acme.technician_id).update(is_active=False)
    assert claims(tokens_of(acme)["access"])["technician"] is None


# --- Cleaning up


def test_only_what_has_run_out_is_deleted(
    tokens_of: Tokens, acme: Persona, globex: Persona
) -> None:
    old, new = tokens_of(acme), tokens_of(acme)
    tokens_of(globex)
    now = timezone.now()
    with company_scope(globex.schema):
        PhoneSession.objects.update(expires_at=now - timedelta(days=1))
    with company_scope(acme.schema):
        PhoneSession.objects.filter(pk=claims(old["refresh"])["session"]).update(
            expires_at=now - timedelta(seconds=1), revoked_at=now
        )
        # Signed out, but its tokens have not run out: the row is what refuses them.
        PhoneSession.objects.filter(pk=claims(new["refresh"])["session"]).update(revoked_at=now)
        for key, seconds in (("gone", -1), ("good", 60)):
            Session.objects.create(
                session_key=key, session_data="", expire_date=now + timedelta(seconds=seconds)
            )
        assert delete_expired_sign_ins() == 2
        assert str(PhoneSession.objects.get().pk) == claims(new["refresh"])["session"]
        assert Session.objects.get().session_key == "good"
        assert delete_expired_sign_ins() == 0
    with company_scope(globex.schema):
        assert PhoneSession.objects.count() == 1
        assert task.apply().get() == 1
        assert PhoneSession.objects.count() == 0
