"""What phones post, whichever door it comes through."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from dispatch.auth import current_user
from dispatch.errors import BadInputError, echo
from dispatch.models import Technician, User
from dispatch.queries import technician_of
from tracking.actions import Recorded, record_fixes
from tracking.api.results import BatchResults, answer_one
from tracking.fixes import FixForm, decode_body, read_fix, read_right, too_many_fixes


class PostedFixes:
    """One fix, or a batch in which a wrong item blocks no good one."""

    def __init__(self, body: bytes, *, technician_id: int, now: datetime) -> None:
        """Read a body.

        Raises:
            BadInputError: the body, or the one fix in it, cannot be used.
        """
        self._results = BatchResults()
        right = read_right(body, technician_id=technician_id, now=now)
        self._is_batch = isinstance(right, list)
        if isinstance(right, FixForm):
            self._results.add_fix(right)
        elif right is not None and len(right) <= settings.FIXES_MAX_ITEMS:
            for fix in right:
                self._results.add_fix(fix)
        else:
            self._read_each(decode_body(body), technician_id, now)

    @property
    def fixes(self) -> list[FixForm]:
        """Those that can be stored."""
        return self._results.fixes

    def _read_each(self, content: Any, technician_id: int, now: datetime) -> None:
        """Raises BadInputError."""
        self._is_batch = isinstance(content, list)
        if not self._is_batch:
            self._results.add_fix(read_fix(content, technician_id=technician_id, now=now))
            return
        if len(content) > settings.FIXES_MAX_ITEMS:
            raise too_many_fixes(len(content), most=settings.FIXES_MAX_ITEMS)
        for item in content:
            given = item.get("id") if isinstance(item, dict) else None
            name = echo(given) if isinstance(given, str) else None
            try:
                fix = read_fix(item, technician_id=technician_id, now=now)
            except BadInputError as error:
                self._results.add_rejected(error.errors, id=name)
            else:
                self._results.add_fix(fix, id=name)

    def answer(self, recorded: Recorded) -> tuple[int, dict[str, Any]]:
        """Status and content of the answer; what was recorded are `fixes`, in order."""
        if not self._is_batch:
            return answer_one(self.fixes[0], recorded)
        return 200, self._results.answer(recorded)


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


def _own_technician(user: User) -> Technician:
    technician = technician_of(user)
    if technician is None:
        raise exceptions.PermissionDenied(
            f"{user.email} is no technician in service; only a technician's own phone posts fixes",
            code="not_a_technician",
        )
    return technician
