"""Where somebody was: history, page by page."""

from __future__ import annotations

import base64
import uuid
from datetime import datetime

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from dispatch.api.parameters import integer_parameter, moment_parameter
from dispatch.errors import BadInputError, FieldError, echo
from tracking.api.serializers import StoredFixSerializer
from tracking.api.technicians import required_technician
from tracking.models import Fix
from tracking.queries import FixesAfter, fixes_of


def read_history(request: Request) -> Response:
    """A page of one technician's fixes in the order of the phone's clock.

    Raises:
        BadInputError: a query parameter cannot be used.
        NotFound: the user may see no such technician.
    """
    technician = required_technician(request)
    limit = integer_parameter(request, "limit", least=1, most=settings.FIXES_PAGE_SIZE)
    limit = settings.FIXES_PAGE_SIZE if limit is None else limit
    rows = fixes_of(
        technician=technician.pk,
        since=moment_parameter(request, "since"),
        until=moment_parameter(request, "until"),
        after=_cursor(request),
    )
    page = list(rows[: limit + 1])
    more, page = len(page) > limit, page[:limit]
    return Response(
        {
            "results": StoredFixSerializer(page, many=True).data,
            "next": _encode_cursor(page[-1]) if more else None,
        }
    )


def _encode_cursor(fix: Fix) -> str:
    text = f"{fix.recorded_at.isoformat()}|{fix.id}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def _cursor(request: Request) -> FixesAfter | None:
    text = request.query_params.get("after")
    if text is None:
        return None
    try:
        moment, _, number = base64.urlsafe_b64decode(text.encode()).decode().partition("|")
        after = FixesAfter(recorded_at=datetime.fromisoformat(moment), id=uuid.UUID(number))
    except ValueError:
        after = None
    if after is None or after.recorded_at.tzinfo is None:
        raise BadInputError(
            FieldError("after", echo(text), "must be the `next` of the page before")
        )
    return after
