"""Nothing secret is written to a log."""

from __future__ import annotations

import logging

from sera.logging import WithoutTokens


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
