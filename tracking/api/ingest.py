"""Where phones post."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from django.conf import settings
from django.utils import timezone
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from dispatch.auth import current_user
from dispatch.errors import BadInputError, FieldError, echo
from dispatch.models import Technician, User
from dispatch.queries import technician_of
from tracking.actions import record_fixes
from tracking.fixes import FixForm, decode_body, read_fix


def post_fixes(request: Request) -> Response:
    """Take the posted fixes of the token's technician: one object, or an array.

    Raises:
        BadInputError: the body, or the one fix in it, cannot be used; nothing was stored.
        PermissionDenied: the user is no technician.
    """
    technician = _own_technician(current_user(request))
    now = timezone.now()
    body = decode_body(request._request.body)
    if isinstance(body, list):
        return _post_batch(technician, body, now)
    fix = read_fix(body, technician_id=technician.pk, now=now)
    (outcome,) = record_fixes(technician_id=technician.pk, fixes=[fix])
    return Response(
        {"id": str(fix.id), "status": outcome}, status=201 if outcome == "stored" else 200
    )


def _post_batch(technician: Technician, items: list[Any], now: datetime) -> Response:
    if len(items) > settings.FIXES_MAX_ITEMS:
        raise BadInputError(
            FieldError(
                "body",
                f"{len(items)} fixes",
                f"may hold at most {settings.FIXES_MAX_ITEMS} fixes; send several batches",
            ),
            status=413,
        )
    good: list[tuple[int, FixForm]] = []
    results: list[dict[str, Any]] = []
    for index, item in enumerate(items):
        given = item.get("id") if isinstance(item, dict) else None
        result: dict[str, Any] = {
            "index": index,
            "id": echo(given) if isinstance(given, str) else None,
        }
        try:
            good.append((index, read_fix(item, technician_id=technician.pk, now=now)))
        except BadInputError as error:
            result |= {"status": "rejected", "errors": msgspec.to_builtins(error.errors)}
        results.append(result)
    outcomes = record_fixes(technician_id=technician.pk, fixes=[fix for _, fix in good])
    for (index, _), outcome in zip(good, outcomes, strict=True):
        results[index]["status"] = outcome
    return Response(
        {
            "results": results,
            "stored": outcomes.count("stored"),
            "duplicate": outcomes.count("duplicate"),
            "rejected": len(items) - len(outcomes),
        }
    )


def _own_technician(user: User) -> Technician:
    technician = technician_of(user)
    if technician is None:
        raise exceptions.PermissionDenied(
            f"{user.email} is no technician in service; only a technician's own phone posts fixes",
            code="not_a_technician",
        )
    return technician
