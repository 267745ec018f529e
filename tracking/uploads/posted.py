"""What phones send in the native form, whichever door it comes through."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings

from dispatch.errors import BadInputError, echo
from tracking.actions import Recorded
from tracking.fixes import FixForm, decode_body, read_fix, read_right, too_many_fixes
from tracking.uploads.results import BatchResults, answer_one


class PostedFixes:
    """One fix, or a batch in which a wrong item blocks no good one."""

    def __init__(self) -> None:
        self._results = BatchResults()
        self._is_batch = False

    @classmethod
    def of_body(cls, body: bytes, *, technician_id: int, now: datetime) -> PostedFixes:
        """Read a body.

        Raises:
            BadInputError: the body, or the one fix in it, cannot be used.
        """
        posted = cls()
        right = read_right(body, technician_id=technician_id, now=now)
        posted._is_batch = isinstance(right, list)
        if isinstance(right, FixForm):
            posted._results.add_fix(right)
        elif right is not None and len(right) <= settings.FIXES_MAX_ITEMS:
            for fix in right:
                posted._results.add_fix(fix)
        else:
            posted._read_each(decode_body(body), technician_id, now)
        return posted

    @classmethod
    def of_values(cls, content: Any, *, technician_id: int, now: datetime) -> PostedFixes:
        """Read what was decoded from JSON; raises as `of_body`."""
        posted = cls()
        posted._read_each(content, technician_id, now)
        return posted

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
