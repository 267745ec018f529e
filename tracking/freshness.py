"""How far a position can be trusted, by its age."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class PositionState(StrEnum):
    """`none`: there is no position. `lost` counts for nothing, but is where somebody last was."""

    LIVE = "live"
    DELAYED = "delayed"
    STALE = "stale"
    LOST = "lost"
    NONE = "none"


class Thresholds(msgspec.Struct, frozen=True):
    """Ages in seconds from which a position is delayed, stale and lost; they ascend."""

    delayed: float
    stale: float
    lost: float


def position_age(recorded_at: datetime, now: datetime) -> float:
    """Seconds; 0 where the phone's clock runs ahead."""
    return max(0.0, (now - recorded_at).total_seconds())


def position_state(age_seconds: float | None, thresholds: Thresholds) -> PositionState:
    """The state of a position of this age; None: there is none."""
    if age_seconds is None:
        return PositionState.NONE
    if age_seconds < thresholds.delayed:
        return PositionState.LIVE
    if age_seconds < thresholds.stale:
        return PositionState.DELAYED
    return PositionState.STALE if age_seconds < thresholds.lost else PositionState.LOST
