"""What a phone is told of each item of its upload: the one place where outcomes become answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from django.conf import settings

from dispatch.errors import FieldError
from tracking.actions import Outcome, Recorded
from tracking.fixes import FixForm


class BatchResults:
    """The items of one upload, in order: fixes to store, and what becomes of the others."""

    def __init__(self) -> None:
        #: Those that can be stored.
        self.fixes: list[FixForm] = []
        # What is answered for each item; and which of them are in `fixes`, in order.
        self._results: list[dict[str, Any]] = []
        self._good: list[int] = []

    def add_fix(self, fix: FixForm, *, id: Any = None) -> None:  # noqa: A002
        """`id` is what the phone called it, where that is not the fix's id as we write it."""
        self.fixes.append(fix)
        self._good.append(len(self._results))
        self._add(fix.id if id is None else id)

    def add_rejected(self, errors: Sequence[FieldError], *, id: Any = None) -> None:  # noqa: A002
        self._add(id, status="rejected", errors=msgspec.to_builtins(errors))

    def add_ignored(self) -> None:
        """Something that is no position."""
        self._add(None, status="ignored")

    @property
    def rejected(self) -> list[dict[str, Any]]:
        return [result for result in self._results if result.get("status") == "rejected"]

    def answer(self, recorded: Recorded) -> dict[str, Any]:
        """The answer's content; what was recorded are `fixes`, in order."""
        for index, outcome in zip(self._good, recorded.outcomes, strict=True):
            self._results[index] |= _words(outcome)
        count = Counter(status for status, _ in recorded.outcomes)
        return {
            "results": self._results,
            "stored": count["stored"],
            "duplicate": count["duplicate"],
            "refused": count["refused"],
            "rejected": len(self.rejected),
            "profile": profile_of(recorded),
        }

    def _add(self, id: Any, **more: Any) -> None:  # noqa: A002
        self._results.append({"index": len(self._results), "id": id, **more})


def answer_one(fix: FixForm, recorded: Recorded) -> tuple[int, dict[str, Any]]:
    """Status and content of the answer to a fix that came alone."""
    (outcome,) = recorded.outcomes
    content = {"id": str(fix.id), **_words(outcome), "profile": profile_of(recorded)}
    return 201 if outcome.status == "stored" else 200, content


def profile_of(recorded: Recorded) -> dict[str, Any]:
    """How the phone should go on: its mode and the numbers for it."""
    return {"mode": recorded.profile, **settings.TRACKING_PROFILES[recorded.profile]}


def _words(outcome: Outcome) -> dict[str, str]:
    status, reason = outcome
    return {"status": status} if reason is None else {"status": status, "reason": reason}
