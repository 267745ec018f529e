"""Reads of erasures."""

from __future__ import annotations

from tracking.models import Erasure


def unfinished_erasures() -> list[int]:
    """The ids of erasures that were begun and have rows left, in order."""
    rows = Erasure.objects.filter(finished_at=None).order_by("pk")
    return list(rows.values_list("pk", flat=True))
