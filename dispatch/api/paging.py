"""Pages of rows that a moment orders, and an id where moments are equal."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from rest_framework.request import Request

from dispatch.errors import BadInputError, FieldError, echo

Id = TypeVar("Id")


def write_place(moment: datetime, row: object) -> str:
    """The `next` of a page that ends with this row's moment and id."""
    return base64.urlsafe_b64encode(f"{moment.isoformat()}|{row}".encode()).decode()


def read_place(request: Request, read_id: Callable[[str], Id]) -> tuple[datetime, Id] | None:
    """What the parameter `after` names; `read_id` raises ValueError.

    Raises:
        BadInputError: it is not what `write_place` wrote.
    """
    text = request.query_params.get("after")
    if text is None:
        return None
    try:
        told, _, row = base64.urlsafe_b64decode(text.encode()).decode().partition("|")
        moment, found = datetime.fromisoformat(told), read_id(row)
        if moment.tzinfo is not None:
            return moment, found
    except ValueError:
        pass
    raise BadInputError(FieldError("after", echo(text), "must be the `next` of the page before"))
