"""Nothing secret is written to a log."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable

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
