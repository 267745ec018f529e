"""Query parameters, checked one by one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import MAXYEAR, MINYEAR, date, datetime

from django.utils.dateparse import parse_date, parse_datetime
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


def date_parameter(request: Request, name: str) -> date | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    # The first and the last year have moments that have no form in another time zone.
    if day is None or len(text) != 10 or not MINYEAR < day.year < MAXYEAR:
        raise BadInputError(FieldError(name, echo(text), "must be a day, such as 2026-11-22"))
    return day


def choice_parameter(request: Request, name: str, choices: Sequence[str]) -> str:
    """One of `choices`; the first if the parameter is absent."""
    text = request.query_params.get(name, choices[0])
    if text not in choices:
        raise BadInputError(FieldError(name, echo(text), f"must be {' or '.join(choices)}"))
    return text
