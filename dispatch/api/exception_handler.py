"""What a REST client is told when something is wrong: always in one of two forms."""

from __future__ import annotations

from typing import Any

import msgspec
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404
from psycopg_pool import PoolTimeout, TooManyRequests
from redis.exceptions import RedisError
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

from dispatch.errors import BadInputError, echo

# Seconds after which a client may try again when the database cannot be reached.
RETRY_AFTER_SECONDS = 2


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER: `{"detail", "code"}`, or `{"errors": […]}` for wrong fields."""
    match error:
        case BadInputError():
            return Response(
                {"errors": msgspec.to_builtins(error.errors)},
                status=error.status,
            )
        case exceptions.ValidationError():
            return Response({"errors": _flatten(error.detail, context)}, status=400)
        case OperationalError() | PoolTimeout() | TooManyRequests() | RedisError():
            return Response(
                {
                    "detail": "the server's database or cache cannot be reached; try again",
                    "code": "unavailable",
                },
                status=503,
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            )
        case Http404():
            error = exceptions.NotFound(str(error) or None)
        case PermissionDenied():
            error = exceptions.PermissionDenied(str(error) or None)
        case exceptions.APIException():
            pass
        case _:
            return None
    response = drf_exception_handler(error, context)
    if response is not None and isinstance(error.detail, exceptions.ErrorDetail):
        response.data = {"detail": str(error.detail), "code": error.detail.code}
    return response


def _flatten(detail: Any, context: dict[str, Any], path: str = "") -> list[dict[str, Any]]:
    if isinstance(detail, dict):
        pairs = [(f"{path}.{key}" if path else str(key), value) for key, value in detail.items()]
        return [item for key, value in pairs for item in _flatten(value, context, key)]
    data = context["request"].data
    value = data.get(path) if isinstance(data, dict) else None
    hidden = path == "password"
    messages = detail if isinstance(detail, list) else [detail]
    return [
        {"field": path, "value": None if hidden else echo(value), "message": str(message)}
        for message in messages
    ]
