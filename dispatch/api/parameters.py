"""Query parameters, checked one by one."""

from __future__ import annotations

from datetime import datetime

from django.utils.dateparse import parse_datetime
from rest_framework.request import Request

from dispatch.errors import BadInputError, FieldError, echo


def integer_parameter(request: Request, name: str, *, least: int, most: int) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    # Its length first: Python refuses to read thousands of digits.
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(most))
    if not (digits and least <= int(text) <= most):
        raise BadInputError(
            FieldError(name, echo(text), f"must be a whole number from {least} to {most}")
        )
    return int(text)


def moment_parameter(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadInputError(
            FieldError(
                name, echo(text), "must be a time with its offset, such as 2026-11-22T10:00:00Z"
            )
        )
    return moment
