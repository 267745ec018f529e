"""Nothing secret is written to a log."""

from __future__ import annotations

import io
import json
import logging
import secrets
import uuid
from collections.abc import Callable

import pytest
from django.test import Client
from structlog.stdlib import ProcessorFormatter

from sera.logging import WithoutTokens, logging_config
from tests.world import Persona


def test_a_socket_s_token_is_not_logged() -> None:
    record = logging.LogRecord(
        "uvicorn.error",
        logging.INFO,
        "",
        0,
        '%s - "WebSocket %s" [accepted]',
        ("127.0.0.1:1", "/cable?jid=eyJ.a.b&pi=3"),
        None,
    )
    assert WithoutTokens().filter(record)
    assert record.getMessage() == '127.0.0.1:1 - "WebSocket /cable?jid=…&pi=3" [accepted]'


KEY = f"{uuid.uuid4().hex}.{secrets.token_urlsafe(32)}"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"/ingest/overland/?key={KEY}", "/ingest/overland/?key=…"),
        (f"/ingest/osmand/?id={KEY}&lat=1", "/ingest/osmand/?id=…&lat=1"),
        (
            "/ingest/osmand/?lat=1&deviceid=half-a-key&lon=2",
            "/ingest/osmand/?lat=1&deviceid=…&lon=2",
        ),
        (f"/ingest/osmand/?k%65y={KEY}&lat=1", "/ingest/osmand/?k%65y=…&lat=1"),
        (f"/{KEY}", "/…"),
        ("/api/v1/fixes/?technician=1", "/api/v1/fixes/?technician=1"),
    ],
)
def test_a_phone_s_key_is_not_logged(path: str, expected: str) -> None:
    args = ("127.0.0.1:1", "GET", path, "1.1", 200)
    record = logging.LogRecord(
        "uvicorn.access", logging.INFO, "", 0, '%s - "%s %s HTTP/%s" %d', args, None
    )
    assert WithoutTokens().filter(record)
    assert record.getMessage() == f'127.0.0.1:1 - "GET {expected} HTTP/1.1" 200'


def test_a_refused_request_is_logged_with_its_company(
    db: None, acme: Persona, client_of: Callable[[Persona], Client]
) -> None:
    config = logging_config(level="WARNING", style="json")
    formatter = ProcessorFormatter(
        **{key: value for key, value in config["formatters"]["default"].items() if key != "()"}
    )
    handler = logging.StreamHandler(lines := io.StringIO())
    handler.setFormatter(formatter)
    logger = logging.getLogger("django.request")
    logger.addHandler(handler)
    try:
        assert client_of(acme).get("/api/v1/nothing/").status_code == 404
    finally:
        logger.removeHandler(handler)
    line = json.loads(lines.getvalue())
    assert (line["event"], line["company"]) == ("Not Found: /api/v1/nothing/", acme.schema)
