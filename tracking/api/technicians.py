"""Whose positions a request is about."""

from __future__ import annotations

from typing import NoReturn

from rest_framework import exceptions
from rest_framework.request import Request

from dispatch.api.parameters import integer_parameter
from dispatch.auth import current_user
from dispatch.errors import BadInputError, FieldError
from dispatch.models import Technician
from dispatch.queries import visible_technicians


def visible_technician(request: Request, number: int) -> Technician:
    """The technician of this id, if the user may see them.

    Raises:
        NotFound: the user may see no such technician.
    """
    technician = visible_technicians(current_user(request)).filter(pk=number).first()
    return technician or _unknown(number)


def required_technician(request: Request) -> Technician:
    """The one that the parameter `technician` names.

    Raises:
        BadInputError: it is missing, or no id.
        NotFound: the user may see no such technician.
    """
    number = integer_parameter(request, "technician", least=1, most=2**63 - 1)
    if number is None:
        raise BadInputError(FieldError("technician", None, "is required: a technician's id"))
    return visible_technician(request, number)


def technician_of_any_time(number: int) -> Technician:
    """The technician of this id, also one who left.

    Raises:
        NotFound: there never was one.
    """
    return Technician.objects.filter(pk=number).first() or _unknown(number)


def _unknown(number: int) -> NoReturn:
    raise exceptions.NotFound(f"there is no technician {number}", code="unknown_technician")
