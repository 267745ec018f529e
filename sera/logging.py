"""Log lines: readable on a terminal, JSON in production, the company in each of them."""

from __future__ import annotations

import logging
import re
from typing import Any

import structlog

from tenants.context import schema_or_none

# Access tokens of sockets, and keys of phones, whose apps may show them as their name.
_SECRET = re.compile(
    r"\b((?:jid|key|id|deviceid)=)[^&\s\"']+|\b[0-9a-f]{32}\.[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])"
)


class WithoutTokens(logging.Filter):
    """Takes access tokens and keys out of a record's arguments."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                _SECRET.sub(r"\1…", value) if isinstance(value, str) else value
                for value in record.args
            )
        return True


def _add_company(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    if "company" not in event:
        # Django logs a refused request after the company's scope has ended.
        request = getattr(event.get("_record"), "request", None)
        of_request = getattr(getattr(request, "company", None), "schema", None)
        event["company"] = schema_or_none() or of_request or "-"
    return event


def logging_config(*, level: str, style: str) -> dict[str, Any]:
    """Django's LOGGING value. `style` is "console" or "json"."""
    before: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_company,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        # The default formatter prints local variables, and with them people's passwords.
        else structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        )
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "default": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": before,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *([structlog.processors.format_exc_info] if style == "json" else []),
                    renderer,
                ],
            }
        },
        "filters": {"without_tokens": {"()": WithoutTokens}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "default"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Both say "GET / 200" for each request; one access log is enough.
            "django.server": {"level": "WARNING", "propagate": True, "handlers": []},
            "daphne": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
            # Sockets show their token in the address, which both loggers write.
            "uvicorn.access": {"filters": ["without_tokens"]},
            "uvicorn.error": {"filters": ["without_tokens"]},
        },
    }
