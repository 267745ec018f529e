"""The phones' fast door answers as Django's does, and hands on what it cannot answer."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import httpx
import jwt
import pytest
from django.test import Client

from dispatch.models import PhoneSession
from tenants.context import company_scope
from tests.live import WebServer, access_token, frames, subscribe
from tests.tracking.wrong_fixes import GOOD
from tests.world import Persona
from tracking.models import Fix

# What only Django adds to an answer; by it we see which door answered.
DJANGO = "x-content-type-options"


def a_fix(**changes: Any) -> dict[str, Any]:
    return {**GOOD, "id": str(uuid.uuid4()), **changes}


def stored(persona: Persona) -> int:
    with company_scope(persona.schema):
        return Fix.objects.count()


@pytest.fixture
def phone(server: WebServer, acme: Persona) -> Iterator[httpx.Client]:
    with closing(server.phone_of(acme)) as client:
        yield client


def post(client: httpx.Client, body: Any) -> httpx.Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post("/api/v1/fixes/", content=raw, headers={"Content-Type": "application/json"})


ONE, TWO = a_fix(), a_fix(recorded_at="2026-11-22T10:00:05Z")


@pytest.mark.parametrize(
    "bodies",
    [
        [ONE, ONE],
        [[ONE, TWO], [TWO, ONE, ONE]],
        [[]],
        [[ONE, 7, {"id": "x"}, a_fix(lat=91), TWO]],
        [a_fix(lat=91)],
        [b"not JSON"],
        [b"\xff\xfe"],
        [b""],
        [b'{"lat": NaN}'],
        [b"[" * 100_000],
        [a_fix(technician=77)],
        [[a_fix() for _ in range(1001)]],
    ],
    ids=range(12),
)
def test_both_doors_answer_alike(
    bodies: list[Any],
    phone: httpx.Client,
    server: WebServer,
    acme: Persona,
    phone_of: Callable[..., Client],
) -> None:
    fast = [post(phone, body) for body in bodies]
    count = stored(acme)
    with company_scope(acme.schema):
        Fix.objects.all().delete()
    django = phone_of(acme)
    for answer, body in zip(fast, bodies, strict=True):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        expected = django.generic("POST", "/api/v1/fixes/", raw, "application/json")
        assert (answer.status_code, answer.json()) == (expected.status_code, expected.json())
        assert answer.headers["content-type"] == "application/json"
        assert DJANGO in expected.headers
        assert DJANGO not in answer.headers
    assert stored(acme) == count


def test_what_is_stored_moves_the_marker(
    phone: httpx.Client, server: WebServer, acme: Persona
) -> None:
    with server.cable_of(acme, access_token(server.phone_of(acme, acme.dispatcher))) as viewer:
        frames(viewer, 1)
        subscribe(viewer, "MapChannel")
        assert frames(viewer, 3)[-1]["message"]["items"] == {}
        assert post(phone, [ONE, TWO]).json()["stored"] == 2
        ((technician, position),) = frames(viewer, 1)[0]["message"]["items"].items()
    assert technician == str(acme.technician_id)
    assert position["recorded_at"] == TWO["recorded_at"]


def token_with(token: str, **claims: Any) -> str:
    """With other claims under the signature of the first."""
    head, _, signature = token.split(".")
    payload = jwt.decode(token, options={"verify_signature": False}) | claims
    body = jwt.encode(payload, "x" * 32, algorithm="HS256").split(".")[1]
    return f"{head}.{body}.{signature}"


def test_callers_who_are_no_phones_of_ours_are_left_to_django(
    phone: httpx.Client, server: WebServer, acme: Persona, globex: Persona
) -> None:
    good = access_token(phone)
    theirs = access_token(server.phone_of(globex))
    owner = access_token(server.phone_of(acme, acme.owner))
    cases: list[tuple[dict[str, str], int, str]] = [
        ({}, 401, "not_authenticated"),
        ({"Authorization": "Bearer"}, 401, "token_invalid"),
        ({"Authorization": "Basic eDp5"}, 401, "not_authenticated"),
        ({"Authorization": f"Bearer {good}x"}, 401, "token_invalid"),
        ({"Authorization": f"Bearer {token_with(good, technician=2)}"}, 401, "token_invalid"),
        ({"Authorization": f"Bearer {theirs}"}, 401, "token_wrong_company"),
        ({"Authorization": f"Bearer {owner}"}, 403, "not_a_technician"),
        ({"Authorization": f"Bearer {good}", "Host": "nobody.localhost"}, 404, "unknown_company"),
        ({"Authorization": f"Bearer {good}", "Host": globex.host}, 401, "token_wrong_company"),
    ]
    for headers, status, code in cases:
        with server.client_of(acme) as client:
            answer = client.post("/api/v1/fixes/", json=a_fix(), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code), headers
    assert (stored(acme), stored(globex)) == (0, 0)


def test_phone_that_is_signed_out_is_refused_at_once(
    phone: httpx.Client, server: WebServer, acme: Persona
) -> None:
    assert post(phone, ONE).status_code == 201
    with company_scope(acme.schema):
        PhoneSession.objects.update(revoked_at="2026-11-22T10:00:00Z")
    answer = post(phone, TWO)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")
    assert stored(acme) == 1


def test_other_methods_are_django_s(phone: httpx.Client, acme: Persona) -> None:
    answer = phone.get(f"/api/v1/fixes/?technician={acme.technician_id}")
    assert (answer.status_code, DJANGO in answer.headers) == (200, True)
    assert phone.delete("/api/v1/fixes/").status_code == 405


def test_fifty_phones_at_once_lose_nothing_and_store_nothing_twice(
    server: WebServer, acme: Persona, globex: Persona
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    tokens = {p.schema: access_token(server.phone_of(p)) for p in (acme, globex)}
    started = time.time()

    def drive(number: int) -> list[str]:
        persona = (acme, globex)[number % 2]
        with server.client_of(persona) as client:
            client.headers["Authorization"] = f"Bearer {tokens[persona.schema]}"
            outcomes = []
            for step in range(10):
                moment = f"2026-11-22T{10 + step:02}:{number:02}:00Z"
                fix = a_fix(recorded_at=moment)
                outcomes += [post(client, fix).json()["status"] for _ in range(2)]
            return outcomes

    with ThreadPoolExecutor(50) as pool:
        found = list(pool.map(drive, range(50)))
    assert found == [["stored", "duplicate"] * 10] * 50, time.time() - started
    assert (stored(acme), stored(globex)) == (250, 250)
