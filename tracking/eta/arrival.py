"""When somebody arrives: an expectation, a range, and how far to trust it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from tracking.eta.legs import Leg, Provider
from tracking.freshness import PositionState

# Of ten drives about nine should last between these times the expected seconds. Engines know the
# roads and not today's traffic; by air not even the roads. To be measured against real trips.
_ROAD_RANGE = (0.85, 1.3)
_AIR_RANGE = (0.7, 1.6)
# One who is somewhere within the accuracy drives that much more or less, at 20 km/h.
_BLUR_SPEED = 20 / 3.6
# Metres. Beyond, it is not clear on which street somebody is.
_POOR_ACCURACY = 100.0


class Confidence(StrEnum):
    """`high`: by road, from a live position. `medium`: by air, or from a delayed position. `low`:
    the position is stale, lost, or poor, or the engine knows no way."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Sighting(msgspec.Struct, frozen=True):
    """How well it is known where somebody is: seconds, state by the company's thresholds, metres
    (None: the phone did not say)."""

    age_seconds: float
    state: PositionState
    accuracy: float | None


class Estimate(msgspec.Struct, frozen=True):
    """Whole seconds until arrival: expected, and the range; metres of the way.

    low_seconds ≤ seconds ≤ high_seconds.
    """

    seconds: int
    low_seconds: int
    high_seconds: int
    meters: int
    provider: Provider
    confidence: Confidence
    warnings: list[str]
    position_age_seconds: int


def estimate(leg: Leg, sighting: Sighting, warnings: Sequence[str] = ()) -> Estimate:
    """The arrival of somebody who was seen at the leg's beginning.

    The range grows with the drive, with the age of the position (since then a driver may have come
    nearer, or gone away, by as many seconds), and with its accuracy.
    """
    low, high = _AIR_RANGE if leg.provider == "estimate" else _ROAD_RANGE
    blur = sighting.age_seconds + (sighting.accuracy or 0.0) / _BLUR_SPEED
    poor = sighting.accuracy is not None and sighting.accuracy > _POOR_ACCURACY
    said = [*warnings, *leg.warnings]
    if sighting.state in (PositionState.STALE, PositionState.LOST):
        said.append(f"{sighting.state}_position")
    if poor:
        said.append("poor_accuracy")
    return Estimate(
        seconds=round(leg.seconds),
        low_seconds=round(max(0.0, leg.seconds * low - blur)),
        high_seconds=round(leg.seconds * high + blur),
        meters=round(leg.meters),
        provider=leg.provider,
        confidence=_confidence(leg, sighting, poor=poor),
        warnings=said,
        position_age_seconds=round(sighting.age_seconds),
    )


def _confidence(leg: Leg, sighting: Sighting, *, poor: bool) -> Confidence:
    if poor or "no_route" in leg.warnings:
        return Confidence.LOW
    if sighting.state not in (PositionState.LIVE, PositionState.DELAYED):
        return Confidence.LOW
    if leg.provider == "estimate" or sighting.state is PositionState.DELAYED:
        return Confidence.MEDIUM
    return Confidence.HIGH
