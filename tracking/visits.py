"""When a technician was at a job's site: what the fixes say, what the technician says, what counts.

Pure: rows in, judgement out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol

import msgspec

Source = Literal["fixes", "technician"]


class Visited(Protocol):
    """What the fixes say of one time at the site."""

    arrived_at: datetime
    left_at: datetime | None


class Stated(Protocol):
    """What the technician says; `arrived_at` None: was not there."""

    arrived_at: datetime | None
    left_at: datetime | None


class Effective(msgspec.Struct, frozen=True):
    """What counts. A source without a moment: it says that there is none."""

    arrived_at: datetime | None = None
    arrived_source: Source | None = None
    left_at: datetime | None = None
    left_source: Source | None = None


def effective_visit(
    visits: Sequence[Visited], statement: Stated | None, *, told_arrival: datetime | None
) -> Effective:
    """What counts of visits in order, the latest statement, and the button that was pressed.

    A statement counts before the fixes, these before the button. Who stated an arrival alone left
    when the fixes say, if that is later.
    """
    first, last = (visits[0], visits[-1]) if visits else (None, None)
    if statement is None:
        if first is not None and last is not None:
            left: Source | None = None if last.left_at is None else "fixes"
            return Effective(first.arrived_at, "fixes", last.left_at, left)
        return Effective(told_arrival, "technician" if told_arrival else None)
    if statement.arrived_at is None:
        return Effective(None, "technician", None, "technician")
    if statement.left_at is not None:
        return Effective(statement.arrived_at, "technician", statement.left_at, "technician")
    left_at = last.left_at if last else None
    if left_at is None or left_at < statement.arrived_at:
        return Effective(statement.arrived_at, "technician")
    return Effective(statement.arrived_at, "technician", left_at, "fixes")
