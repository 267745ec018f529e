"""Whose phone it is at the doors under `/ingest/`, by every way to show it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from dispatch.models import PhoneSession, Technician
from tenants.context import company_scope
from tests.live import WebServer, access_token
from tests.tracking.phones import basic, bearer, key_of, send, stored
from tests.world import Persona

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ONE = "/ingest/osmand/?timestamp=1795341600&lat=60.5&lon=26.9"


@pytest.fixture
def key(server: WebServer, acme: Persona) -> str:
    return key_of(acme)


def test_every_way_to_show_a_key(server: WebServer, acme: Persona, key: str) -> None:
    access = access_token(server.phone_of(acme, acme.second_technician))
    ways: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", ONE, {"headers": bearer(key)}),
        ("GET", ONE, {"headers": bearer(access)}),
        ("GET", ONE, {"headers": basic(key, user="")}),
        ("GET", f"{ONE}&key={key}&id=van7", {}),
        ("GET", f"{ONE}&id={key}", {}),
        ("POST", f"{ONE}&deviceid={key}", {}),
        ("POST", ONE, {"content": f"id={key}", "headers": FORM}),
    ]
    for number, (method, path, request) in enumerate(ways):
        path = path.replace("lat=60.5", f"lat={number}")
        assert send(server, acme, method, path, **request).text == "OK", path
    found = [(technician, lat) for technician, lat, _, _ in sorted(stored(acme), key=str)]
    assert sorted(found, key=lambda one: one[1]) == [
        (2 if number == 1 else 1, float(number)) for number in range(len(ways))
    ]


def test_whoever_shows_no_good_key_is_told_so(
    server: WebServer, acme: Persona, globex: Persona, key: str
) -> None:
    theirs, foreign = key_of(globex), access_token(server.phone_of(globex))
    owner, access = (access_token(server.phone_of(acme, who)) for who in (acme.owner, None))
    cases: list[tuple[dict[str, str], str, int, str]] = [
        ({}, "", 401, "not_authenticated"),
        ({}, "&id=van7", 401, "key_invalid"),
        ({}, "&key=", 401, "key_invalid"),
        ({}, f"&key={key[:-1]}", 401, "key_invalid"),
        ({}, f"&key={key[:-1]}{'A' if key[-1] != 'A' else 'B'}", 401, "key_invalid"),
        ({}, f"&key={theirs}", 401, "key_invalid"),
        ({}, f"&key={access}", 401, "key_invalid"),  # a token in an address is none of ours
        (bearer(theirs), "", 401, "key_invalid"),
        (bearer(foreign), "", 401, "token_wrong_company"),
        (bearer("x"), f"&key={key}", 401, "token_invalid"),  # the header is what counts
        (basic(access), "", 401, "key_invalid"),
        ({"Authorization": "Basic %%%"}, "", 401, "key_invalid"),
        ({"Authorization": "Digest x"}, "", 401, "key_invalid"),
        (bearer(owner), "", 403, "not_a_technician"),
    ]
    for headers, query, status, code in cases:
        for path in ("/ingest/osmand/", "/ingest/overland/"):
            address = ONE.replace("/ingest/osmand/", path) + query
            answer = send(server, acme, "POST", address, headers=headers)
            if path == "/ingest/overland/" and "id=" in query:
                status, code = 401, "not_authenticated"
            assert (answer.status_code, answer.json()["code"]) == (status, code), (headers, query)
            challenge = 'Basic realm="Sera", charset="UTF-8"' if status == 401 else None
            assert answer.headers.get("www-authenticate") == challenge
    assert stored(acme) == stored(globex) == []


def test_revoked_key_is_refused_at_once(server: WebServer, acme: Persona, key: str) -> None:
    """Though the server process knows it from a moment ago."""
    other = key_of(acme)
    assert send(server, acme, "GET", f"{ONE}&key={key}").text == "OK"
    with company_scope(acme.schema):
        PhoneSession.objects.filter(pk=key[:32]).update(revoked_at=timezone.now())
    for code in ("token_revoked", "key_invalid"):  # after the first the process has forgotten it
        answer = send(server, acme, "GET", f"{ONE}&key={key}".replace("60.5", "61"))
        assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert send(server, acme, "GET", f"{ONE}&key={other}").text == "OK"
    assert stored(acme) == [(1, 60.5, 26.9, "10:00:00")]


def test_key_that_has_run_out(server: WebServer, acme: Persona, key: str) -> None:
    with company_scope(acme.schema):
        past = timezone.now() - timedelta(seconds=1)
        PhoneSession.objects.filter(pk=key[:32]).update(expires_at=past)
    answer = send(server, acme, "GET", f"{ONE}&key={key}")
    assert (answer.status_code, answer.json()["code"]) == (401, "key_invalid")


@pytest.mark.parametrize("known", [False, True])
def test_technician_out_of_service(server: WebServer, acme: Persona, key: str, known: bool) -> None:
    if known:
        assert send(server, acme, "GET", f"{ONE}&key={key}").text == "OK"
    with company_scope(acme.schema):
        mine = Technician.objects.filter(pk=acme.technician_id)
        mine.update(is_active=False)
        try:
            answer = send(server, acme, "GET", f"{ONE}&key={key}".replace("60.5", "61"))
        finally:
            mine.update(is_active=True)
    assert answer.status_code == 401
    assert len(stored(acme)) == known


def test_key_opens_nothing_else(server: WebServer, acme: Persona, key: str) -> None:
    for method, path in (
        ("GET", "/api/v1/me/"),
        ("GET", "/api/v1/phones/"),
        ("POST", "/api/v1/fixes/"),
    ):
        answer = send(server, acme, method, path, headers=bearer(key))
        assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")
