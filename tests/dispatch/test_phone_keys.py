"""Keys of phones: shown once, bounded, revoked at once, and never a refresh token."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from dispatch.actions.phones import end_phone, issue_key
from dispatch.actions.sign_in import delete_expired_sign_ins
from dispatch.auth import holder_of_key
from dispatch.models import PhoneSession, Technician, User
from dispatch.tokens import TokenError, encode_token
from tenants.context import company_scope
from tests.world import Persona

pytestmark = pytest.mark.django_db

PATH = "/api/v1/phones/"
Phone = Callable[..., Client]


def post(client: Client, **body: Any) -> Any:
    return client.post(PATH, body, content_type="application/json")


def results(client: Client, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(PATH + query)
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


def a_key(persona: Persona, technician: int = 1) -> str:
    return issue_key(technician=Technician.objects.get(pk=technician), label="Van")[1]


# --- The key itself


def test_only_the_digest_of_a_key_is_stored(acme: Persona) -> None:
    with company_scope(acme.schema):
        technician = Technician.objects.get(pk=acme.technician_id)
        session, key = issue_key(technician=technician, label="Van 7")
        row = PhoneSession.objects.get()
        holder = holder_of_key(key)
    assert re.fullmatch(r"[0-9a-f]{32}\.[A-Za-z0-9_-]{43}", key)
    assert key.startswith(f"{session.pk.hex}.")
    assert row.key_digest == hashlib.sha256(key.encode()).hexdigest()
    assert (row.pk, row.label, row.current, row.previous) == (session.pk, "Van 7", "", "")
    left = row.expires_at - timezone.now()
    assert timedelta(days=399, hours=23) < left <= timedelta(days=400)
    assert (holder.session, holder.technician) == (session.pk, acme.technician_id)


def test_keys_that_are_none(acme: Persona, globex: Persona) -> None:
    with company_scope(globex.schema):
        theirs = a_key(globex)
    with company_scope(acme.schema):
        good, other = a_key(acme), a_key(acme)
        signed_in = PhoneSession.objects.create(
            user_id=User.objects.get(email=acme.technician).pk,
            rotated_at=timezone.now(),
            expires_at=timezone.now() + timedelta(days=1),
        )
        mixed = good[:33] + other[33:]
        for key in ("", "x", theirs, mixed, good[:-1], f"{signed_in.pk.hex}.{good[33:]}"):
            with pytest.raises(TokenError) as refused:
                holder_of_key(key)
            assert refused.value.code == "key_invalid"
        assert holder_of_key(good).technician == acme.technician_id


@pytest.mark.parametrize("what", ["revoked", "run out", "user left", "technician left"])
def test_keys_that_were_good(what: str, acme: Persona) -> None:
    with company_scope(acme.schema):
        key = a_key(acme)
        now = timezone.now()
        match what:
            case "revoked":
                assert end_phone(session=PhoneSession.objects.get().pk)
            case "run out":
                PhoneSession.objects.update(expires_at=now)
            case "user left":
                User.objects.filter(email=acme.technician).update(is_active=False)
            case _:
                Technician.objects.filter(pk=acme.technician_id).update(is_active=False)
        with pytest.raises(TokenError):
            holder_of_key(key)


@pytest.mark.parametrize("jti", ["", "x"])
@pytest.mark.parametrize("path", ["refresh", "revoke"])
def test_a_key_s_session_takes_no_refresh_token(
    path: str, jti: str, acme: Persona, client_of: Phone
) -> None:
    """Even one that we signed ourselves, as empty as what the row holds."""
    with company_scope(acme.schema):
        key = a_key(acme)
        session = PhoneSession.objects.get()
        user = User.objects.get(email=acme.technician)
    token = encode_token(
        kind="refresh",
        company=acme.company,
        user=user.pk,
        session=session.pk,
        role="technician",
        technician=acme.technician_id,
        jti=jti,
    )
    answer = client_of(acme).post(
        f"/api/v1/auth/token/{path}/", {"refresh": token}, content_type="application/json"
    )
    code = "token_revoked" if jti else "token_invalid"
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    with company_scope(acme.schema):
        assert holder_of_key(key).session == session.pk


def test_an_empty_refresh_token_is_not_the_one_before_the_first(
    acme: Persona, tokens_of: Callable[..., dict[str, str]], client_of: Phone
) -> None:
    tokens_of(acme)
    with company_scope(acme.schema):
        session = PhoneSession.objects.get()
    assert session.previous == ""
    token = encode_token(
        kind="refresh",
        company=acme.company,
        user=session.user_id,
        session=session.pk,
        role="technician",
        technician=acme.technician_id,
        jti="",
    )
    answer = client_of(acme).post(
        "/api/v1/auth/token/refresh/", {"refresh": token}, content_type="application/json"
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")


def test_cleaning_up(acme: Persona) -> None:
    with company_scope(acme.schema):
        keys = [a_key(acme) for _ in range(3)]
        now = timezone.now()
        PhoneSession.objects.filter(pk=keys[0][:32]).update(expires_at=now - timedelta(seconds=1))
        assert end_phone(session=uuid.UUID(keys[1][:32]))
        assert delete_expired_sign_ins() == 2
        assert holder_of_key(keys[2]).session == PhoneSession.objects.get().pk


# --- REST


def test_a_technician_gives_their_phone_a_key(acme: Persona, phone_of: Phone) -> None:
    phone = phone_of(acme)
    answer = post(phone, label="Van")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    issued = answer.json()
    key = issued.pop("key")
    with company_scope(acme.schema):
        session = PhoneSession.objects.exclude(key_digest="").get()
        assert holder_of_key(key).session == session.pk
    assert (issued["id"], issued["kind"], issued["label"]) == (str(session.pk), "key", "Van")
    assert issued["technician_id"] == acme.technician_id
    listed = results(phone)
    assert listed[0] == issued
    assert [one["kind"] for one in listed] == ["key", "signed in"]
    assert key[33:] not in str(listed) and session.key_digest not in str(listed)


@pytest.mark.parametrize("role", ["owner", "dispatcher"])
def test_who_dispatches_manages_the_phones_of_all(
    role: str, acme: Persona, phone_of: Phone
) -> None:
    desk = phone_of(acme, getattr(acme, role))
    issued = [post(desk, label="Van", technician=number).json() for number in (1, 2)]
    assert [one["technician_id"] for one in issued] == [1, 2]
    assert [one["id"] for one in results(desk)] == [issued[1]["id"], issued[0]["id"]]
    assert [one["id"] for one in results(desk, "?technician=2")] == [issued[1]["id"]]
    assert desk.delete(f"{PATH}{issued[1]['id']}/").status_code == 204
    assert [one["id"] for one in results(desk)] == [issued[0]["id"]]
    gone = desk.delete(f"{PATH}{issued[1]['id']}/")
    assert (gone.status_code, gone.json()["code"]) == (404, "unknown_phone")


def test_a_technician_manages_nobody_else_s(acme: Persona, phone_of: Phone) -> None:
    with company_scope(acme.schema):
        theirs = a_key(acme, acme.second_technician_id)
    phone = phone_of(acme)
    answer = post(phone, label="Van", technician=acme.second_technician_id)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_technician")
    ended = phone.delete(f"{PATH}{uuid.UUID(theirs[:32])}/")
    assert (ended.status_code, ended.json()["code"]) == (404, "unknown_phone")
    assert results(phone, "?technician=2") == []
    with company_scope(acme.schema):
        assert holder_of_key(theirs).technician == acme.second_technician_id
        assert PhoneSession.objects.exclude(key_digest="").count() == 1


def test_a_phone_that_is_signed_in_is_signed_out(
    acme: Persona, phone_of: Phone, tokens_of: Callable[..., dict[str, str]]
) -> None:
    desk = phone_of(acme, acme.dispatcher)
    lost = tokens_of(acme)
    (one,) = results(desk)
    assert (one["kind"], one["label"]) == ("signed in", "")
    assert desk.delete(f"{PATH}{one['id']}/").status_code == 204
    headers = {"Authorization": f"Bearer {lost['access']}"}
    answer = Client(HTTP_HOST=acme.host).get("/api/v1/me/", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")


def test_keys_of_a_technician_have_their_bound(
    acme: Persona, phone_of: Phone, settings: Settings
) -> None:
    settings.PHONE_KEYS_PER_TECHNICIAN = 2
    phone = phone_of(acme)
    first = post(phone, label="A").json()
    assert post(phone, label="B").status_code == 201
    full = post(phone, label="C")
    assert (full.status_code, full.json()) == (
        409,
        {
            "errors": [
                {
                    "field": "technician",
                    "value": 1,
                    "message": "may have at most 2 keys; revoke one first",
                }
            ]
        },
    )
    phone.delete(f"{PATH}{first['id']}/")
    assert post(phone, label="C").status_code == 201
    assert [one["label"] for one in results(phone)] == ["C", "B", ""]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "label"),
        ({"label": ""}, "label"),
        ({"label": "x" * 81}, "label"),
        ({"label": "\x00"}, "label"),
        ({"label": "Van", "technician": 0}, "technician"),
        ({"label": "Van", "technician": "x"}, "technician"),
        ({"label": "Van", "technician": 2**63}, "technician"),
    ],
)
def test_what_a_key_cannot_be_asked_with(
    body: dict[str, Any], field: str, acme: Persona, phone_of: Phone
) -> None:
    answer = post(phone_of(acme), **body)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_who_dispatches_says_whose_phone_it_is(acme: Persona, phone_of: Phone) -> None:
    desk = phone_of(acme, acme.dispatcher)
    answer = post(desk, label="Van")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "technician")
    assert post(desk, label="Van", technician=99).json()["code"] == "unknown_technician"
    assert desk.get(f"{PATH}?technician=x").status_code == 400
    assert desk.delete(f"{PATH}{uuid.uuid4()}/").status_code == 404


def test_who_is_no_technician_has_no_phone(acme: Persona, phone_of: Phone) -> None:
    phone = phone_of(acme)
    with company_scope(acme.schema):
        Technician.objects.filter(pk=acme.technician_id).update(is_active=False)
    answer = post(phone, label="Van")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_technician")
    assert results(phone) == []
