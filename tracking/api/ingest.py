"""What phones post, whichever door it comes through."""

from __future__ import annotations

from collections import Counter
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
from tracking.actions import Outcome, Recorded, record_fixes
from tracking.fixes import FixForm, decode_body, read_fix, read_right


class PostedFixes:
    """One fix, or a batch in which a wrong item blocks no good one."""

    def __init__(self, body: bytes, *, technician_id: int, now: datetime) -> None:
        """Read a body.

        Raises:
            BadInputError: the body, or the one fix in it, cannot be used.
        """
        #: Those that can be stored.
        self.fixes: list[FixForm] = []
        # What is answered for each item; and which of them are in `fixes`, in order.
        self._results: list[dict[str, Any]] = []
        self._good: list[int] = []
        right = read_right(body, technician_id=technician_id, now=now)
        self._is_batch = isinstance(right, list)
        if isinstance(right, FixForm):
            self.fixes.append(right)
        elif right is not None and len(right) <= settings.FIXES_MAX_ITEMS:
            self.fixes = right
            self._good = list(range(len(right)))
            self._results = [{"index": index, "id": str(fix.id)} for index, fix in enumerate(right)]
        else:
            self._read_each(decode_body(body), technician_id, now)

    def _read_each(self, content: Any, technician_id: int, now: datetime) -> None:
        """Raises BadInputError."""
        self._is_batch = isinstance(content, list)
        if not self._is_batch:
            self.fixes.append(read_fix(content, technician_id=technician_id, now=now))
            return
        if len(content) > settings.FIXES_MAX_ITEMS:
            raise BadInputError(
                FieldError(
                    "body",
                    f"{len(content)} fixes",
                    f"may hold at most {settings.FIXES_MAX_ITEMS} fixes; send several batches",
                ),
                status=413,
            )
        for index, item in enumerate(content):
            given = item.get("id") if isinstance(item, dict) else None
            result: dict[str, Any] = {
                "index": index,
                "id": echo(given) if isinstance(given, str) else None,
            }
            try:
                self.fixes.append(read_fix(item, technician_id=technician_id, now=now))
                self._good.append(index)
            except BadInputError as error:
                result |= {"status": "rejected", "errors": msgspec.to_builtins(error.errors)}
            self._results.append(result)

    def answer(self, recorded: Recorded) -> tuple[int, dict[str, Any]]:
        """Status and content of the answer; what was recorded are `fixes`, in order."""
        profile = {"mode": recorded.profile, **settings.TRACKING_PROFILES[recorded.profile]}
        if not self._is_batch:
            (fix,), (outcome,) = self.fixes, recorded.outcomes
            status = 201 if outcome.status == "stored" else 200
            return status, {"id": str(fix.id), **_wire(outcome), "profile": profile}
        for index, outcome in zip(self._good, recorded.outcomes, strict=True):
            self._results[index] |= _wire(outcome)
        count = Counter(outcome.status for outcome in recorded.outcomes)
        return 200, {
            "results": self._results,
            "stored": count["stored"],
            "duplicate": count["duplicate"],
            "refused": count["refused"],
            "rejected": len(self._results) - len(recorded.outcomes),
            "profile": profile,
        }


def post_fixes(request: Request) -> Response:
    """Take the posted fixes of the caller's technician: one object, or an array.

    Raises:
        BadInputError: the body, or the one fix in it, cannot be used; nothing was stored.
        PermissionDenied: the user is no technician.
    """
    technician = _own_technician(current_user(request))
    posted = PostedFixes(request._request.body, technician_id=technician.pk, now=timezone.now())
    status, content = posted.answer(record_fixes(technician_id=technician.pk, fixes=posted.fixes))
    return Response(content, status=status)


def _wire(outcome: Outcome) -> dict[str, str]:
    if outcome.reason is None:
        return {"status": outcome.status}
    return {"status": outcome.status, "reason": outcome.reason}


def _own_technician(user: User) -> Technician:
    technician = technician_of(user)
    if technician is None:
        raise exceptions.PermissionDenied(
            f"{user.email} is no technician in service; only a technician's own phone posts fixes",
            code="not_a_technician",
        )
    return technician
