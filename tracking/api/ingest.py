"""Phones' posts, at the door of Django."""

from __future__ import annotations

from django.utils import timezone
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from dispatch.auth import current_user
from dispatch.models import Technician, User
from dispatch.queries import technician_of
from tracking.actions import record_fixes
from tracking.uploads import PostedFixes


def post_fixes(request: Request) -> Response:
    """Take the posted fixes of the caller's technician: one object, or an array.

    Raises:
        BadInputError: the body, or the one fix in it, cannot be used; nothing was stored.
        PermissionDenied: the user is no technician.
    """
    technician = _own_technician(current_user(request))
    posted = PostedFixes.of_body(
        request._request.body, technician_id=technician.pk, now=timezone.now()
    )
    status, content = posted.answer(record_fixes(technician_id=technician.pk, fixes=posted.fixes))
    return Response(content, status=status)


def _own_technician(user: User) -> Technician:
    technician = technician_of(user)
    if technician is None:
        raise exceptions.PermissionDenied(
            f"{user.email} is no technician in service; only a technician's own phone posts fixes",
            code="not_a_technician",
        )
    return technician
