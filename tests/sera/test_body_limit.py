"""A large body is refused before Django stores it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sera.body_limit import BodyLimit
from tests.live import WebServer
from tests.world import Persona

LIMIT = 100


async def answer(
    headers: dict[bytes, bytes], *chunks: bytes
) -> tuple[list[dict[str, Any]], list[bytes]]:
    """What is sent to the client, and what the application behind the limit has read."""
    sent: list[dict[str, Any]] = []
    read: list[bytes] = []
    waiting = list(chunks)

    async def receive() -> dict[str, Any]:
        body = waiting.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(waiting)}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    async def application(scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            read.append(message["body"])
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})

    await BodyLimit(application, max_bytes=LIMIT)({"headers": list(headers.items())}, receive, send)
    return sent, read


async def test_a_body_of_exactly_the_limit_passes() -> None:
    sent, read = await answer({b"content-length": b"100"}, b"x" * 60, b"x" * 40)
    assert sent[0]["status"] == 200
    assert b"".join(read) == b"x" * 100


async def test_a_declared_size_is_refused_before_a_byte_is_read() -> None:
    sent, read = await answer({b"content-length": b"101"}, b"x" * 101)
    assert sent[0]["status"] == 413
    assert json.loads(sent[1]["body"]) == {
        "errors": [{"field": "body", "value": "101 bytes", "message": "may be at most 100 bytes"}]
    }
    assert read == []


async def test_an_undeclared_size_is_refused_where_it_passes_the_limit() -> None:
    sent, read = await answer({}, b"x" * 60, b"x" * 41, b"x" * 60)
    assert [sent[0]["status"], read] == [413, [b"x" * 60]]


def test_a_stranger_s_endless_body_is_answered(server: WebServer, acme: Persona) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(400):
            sent += 65536
            yield b"x" * 65536

    client = server.client_of(acme)
    try:
        answer = client.post("/api/v1/fixes/", content=endless())
    except (httpx.WriteError, httpx.RemoteProtocolError, httpx.ReadError):
        pass  # the server closed while we were still sending
    else:
        assert answer.status_code == 413
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("key", ['"' + r"\000" * 9 + '"', "ä" * 9, "x" * 5000])
def test_a_crafted_session_cookie_is_no_session(server: WebServer, acme: Persona, key: str) -> None:
    cookie = f"sessionid={key}".encode()
    answer = server.client_of(acme).get("/api/v1/me/", headers={b"Cookie": cookie})
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
