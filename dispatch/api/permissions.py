"""Who may do what: refusals that doors share."""

from __future__ import annotations

from rest_framework import exceptions
from rest_framework.request import Request

from dispatch.auth import current_user
from dispatch.models import Technician, User
from dispatch.queries import technician_of


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


def require_technician(request: Request) -> Technician:
    """The technician who asks.

    Raises:
        PermissionDenied: the user is none, or out of service.
    """
    user = current_user(request)
    technician = technician_of(user)
    if technician is None:
        raise exceptions.PermissionDenied(
            f"{user.email} is no technician in service", code="not_a_technician"
        )
    return technician
