"""Who may do what: refusals that doors share."""

from __future__ import annotations

from rest_framework import exceptions
from rest_framework.request import Request

from dispatch.auth import current_user
from dispatch.models import User


def require_owner(request: Request) -> User:
    """The owner who asks.

    Raises:
        PermissionDenied: somebody else asks.
    """
    user = current_user(request)
    if user.role != User.Role.OWNER:
        raise exceptions.PermissionDenied(
            f"{user.email} is a {user.role}; this is for owners", code="not_an_owner"
        )
    return user
