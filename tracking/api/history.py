"""Where somebody was: history, page by page."""

from __future__ import annotations

import uuid

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from dispatch.api.paging import read_place, write_place
from dispatch.api.parameters import integer_parameter, moment_parameter
from dispatch.auth import current_user
from tracking.actions.viewing import record_viewing
from tracking.api.serializers import StoredFixSerializer
from tracking.api.technicians import required_technician
from tracking.models import Viewing
from tracking.queries import FixesAfter, fixes_of


def read_history(request: Request) -> Response:
    """A page of one technician's fixes in the order of the phone's clock. It is told who looked.

    Raises:
        BadInputError: a query parameter cannot be used.
        NotFound: the user may see no such technician.
    """
    technician = required_technician(request)
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
