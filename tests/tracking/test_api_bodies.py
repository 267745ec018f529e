"""Bodies that are too large or badly announced, at the running server."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tenants.context import company_scope
from tests.live import WebServer, access_token
from tests.tracking.test_api_fixes import a_fix
from tests.world import Persona
from tracking.models import Fix

LIMIT = 1024 * 1024
TOO_LARGE = f"may be at most {LIMIT} bytes"
# Past what a socket's buffers take in, so that an early answer must be read while sending.
PIECE = b" " * 65536


@pytest.fixture
def phone(server: WebServer, acme: Persona) -> Iterator[Any]:
    with closing(server.phone_of(acme)) as client:
        yield client


def stored() -> int:
    with company_scope("acme"):
        return Fix.objects.count()


def raw(server: WebServer, acme: Persona, token: str, head: str, body: bytes = b"") -> bytes:
    """What the server answers to these very bytes, until it closes or says a whole answer."""
    request = (
        f"POST /api/v1/fixes/ HTTP/1.1\r\nHost: {acme.host}\r\n"
        f"Authorization: Bearer {token}\r\nConnection: close\r\n{head}\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request + body)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


def test_ten_megabytes_are_refused(phone: Any) -> None:
    response = phone.post("/api/v1/fixes/", content=b"[" + b" " * 10_000_000 + b"]")
    assert (response.status_code, response.json()) == (
        413,
        {"errors": [{"field": "body", "value": "10000002 bytes", "message": TOO_LARGE}]},
    )


def test_ten_megabytes_in_pieces_are_refused_too(phone: Any) -> None:
    def pieces() -> Iterator[bytes]:
        yield json.dumps([a_fix()])[:-1].encode()
        for _ in range(160):
            yield PIECE
        yield b"]"

    response = phone.post("/api/v1/fixes/", content=pieces())
    assert "content-length" not in response.request.headers
    assert (response.status_code, response.json()) == (
        413,
        {"errors": [{"field": "body", "value": f"more than {LIMIT} bytes", "message": TOO_LARGE}]},
    )
    assert stored() == 0


def test_the_edge_of_the_size(phone: Any) -> None:
    text = json.dumps([a_fix()])
    full = text[:-1] + " " * (LIMIT - len(text)) + "]"
    assert len(full) == LIMIT
    for content in (full.encode(), iter([full[:100].encode(), full[100:].encode()])):
        response = phone.post("/api/v1/fixes/", content=content)
        assert response.status_code == 200
    assert stored() == 1
    assert phone.post("/api/v1/fixes/", content=full.encode() + b" ").status_code == 413


def test_a_thousand_and_one_are_refused_and_a_thousand_are_not(phone: Any) -> None:
    batch = [{**a_fix(), "lat": 60 + n / 1e6} for n in range(1001)]
    response = phone.post("/api/v1/fixes/", json=batch)
    assert (response.status_code, response.json()) == (
        413,
        {
            "errors": [
                {
                    "field": "body",
                    "value": "1001 fixes",
                    "message": "may hold at most 1000 fixes; send several batches",
                }
            ]
        },
    )
    assert stored() == 0
    response = phone.post("/api/v1/fixes/", json=batch[:1000])
    assert (response.status_code, response.json()["stored"]) == (200, 1000)
    assert stored() == 1000


def test_ten_megabytes_at_the_sign_in_are_refused(server: WebServer, acme: Persona) -> None:
    json_type = {"Content-Type": "application/json"}
    with server.client_of(acme) as client:
        response = client.post("/api/v1/auth/token/", content=b" " * 10_000_000, headers=json_type)
        assert (response.status_code, response.json()["errors"][0]["field"]) == (413, "body")
        response = client.post(
            "/api/v1/auth/token/", content=iter([PIECE] * 160), headers=json_type
        )
        assert (response.status_code, response.json()["errors"][0]["field"]) == (413, "body")


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: abc\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 1e3\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: nonsense\r\n",
    ],
)
def test_a_length_that_is_none_is_refused(
    head: str, server: WebServer, phone: Any, acme: Persona
) -> None:
    """Two readings of one length are how requests are smuggled past a proxy."""
    body = json.dumps(a_fix()).encode()
    answer = raw(server, acme, access_token(phone), head, body)
    assert answer.split(b" ")[1:2] in ([b"400"], [b"501"]), answer[:200]
    assert stored() == 0


def test_a_body_that_never_comes_whole_stores_nothing(
    server: WebServer, phone: Any, acme: Persona
) -> None:
    body = json.dumps(a_fix()).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(
            f"POST /api/v1/fixes/ HTTP/1.1\r\nHost: {acme.host}\r\n"
            f"Authorization: Bearer {access_token(phone)}\r\n"
            f"Content-Length: {len(body) + 10}\r\n\r\n".encode()
            + body
        )
    # A later request by the same phone is served, and the one cut off left nothing.
    assert phone.post("/api/v1/fixes/", json=[a_fix()]).json()["stored"] == 1
    assert stored() == 1


def test_a_header_that_is_no_text_breaks_nothing(
    server: WebServer, phone: Any, acme: Persona
) -> None:
    for value in (b"Bearer \xff\xfe\xfa", b"Bearer " + "Ω".encode(), b"\xff"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(
                f"GET /api/v1/me/ HTTP/1.1\r\nHost: {acme.host}\r\nConnection: close\r\n".encode()
                + b"Authorization: "
                + value
                + b"\r\n\r\n"
            )
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        assert answer.split(b" ")[1] in (b"401", b"400"), answer[:200]
