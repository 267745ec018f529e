"""How far a position can be trusted, by its age."""

from __future__ import annotations

from typing import Literal

import msgspec

PositionState = Literal["live", "delayed", "stale", "lost"]


class Thresholds(msgspec.Struct, frozen=True):
    """Ages in seconds from which a position is delayed, stale, lost; each above the one before."""

    delayed: int
    stale: int
    lost: int


def position_state(age_seconds: float, thresholds: Thresholds) -> PositionState:
    """Live below `delayed`, then delayed, from `stale` on stale, from `lost` on lost.

    A phone's clock that runs ahead makes an age below zero, which is live.
    """
    if age_seconds < thresholds.delayed:
        return "live"
    if age_seconds < thresholds.stale:
        return "delayed"
    return "stale" if age_seconds < thresholds.lost else "lost"
