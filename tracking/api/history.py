"""Where somebody was: history, page by page."""

from __future__ import annotations

import uuid

from django.conf import settings
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from dispatch.api.paging import read_place, write_place
from dispatch.api.parameters import integer_parameter, moment_parameter
from dispatch.auth import current_user
from dispatch.errors import BadInputError, FieldError
from dispatch.models import Technician
from dispatch.queries import visible_technicians
from tracking.actions.viewing import record_viewing
from tracking.api.serializers import StoredFixSerializer
from tracking.models import Viewing
from tracking.queries import FixesAfter, fixes_of


def read_history(request: Request) -> Response:
    """A page of one technician's fixes in the order of the phone's clock. It is told who looked.

    Raises:
        BadInputError: a query parameter cannot be used.
        NotFound: the user may see no such technician.
    """
    technician = _visible_technician(request)
    limit = integer_parameter(request, "limit", least=1, most=settings.FIXES_PAGE_SIZE)
    limit = settings.FIXES_PAGE_SIZE if limit is None else limit
    place = read_place(request, uuid.UUID)
    rows = fixes_of(
        technician=technician.pk,
        since=moment_parameter(request, "since"),
        until=moment_parameter(request, "until"),
        after=FixesAfter(*place) if place else None,
    )
    page = list(rows[: limit + 1])
    more, page = len(page) > limit, page[:limit]
    record_viewing(
        viewer=current_user(request).pk, technicians=[technician.pk], what=Viewing.What.HISTORY
    )
    return Response(
        {
            "results": StoredFixSerializer(page, many=True).data,
            "next": write_place(page[-1].recorded_at, page[-1].id) if more else None,
        }
    )


def _visible_technician(request: Request) -> Technician:
    number = integer_parameter(request, "technician", least=1, most=2**63 - 1)
    if number is None:
        raise BadInputError(FieldError("technician", None, "is required: a technician's id"))
    technician = visible_technicians(current_user(request)).filter(pk=number).first()
    if technician is None:
        raise exceptions.NotFound(f"there is no technician {number}", code="unknown_technician")
    return technician
