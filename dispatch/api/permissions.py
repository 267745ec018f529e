"""Who may do what: refusals that doors share."""

from __future__ import annotations

from rest_framework import exceptions
from rest_framework.request import Request

from dispatch.auth import current_user
from dispatch.models import User


def require_dispatcher(request: Request) -> User:
    """The owner or dispatcher who asks.

    Raises:
        PermissionDenied: a technician asks.
    """
    user = current_user(request)
    if not user.may_dispatch:
        raise exceptions.PermissionDenied(
            f"{user.email} is a technician; this is for owners and dispatchers",
            code="not_a_dispatcher",
        )
    return user
