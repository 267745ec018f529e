"""The part of the earth that a viewer of the map looks at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dispatch.errors import BadInputError, FieldError, echo

_RIGHT = "[west, south, east, north] in degrees, or null for the whole map"
# Name and largest degree of each edge, in the order of the wire.
_EDGES = (
    ("western longitude", 180),
    ("southern latitude", 90),
    ("eastern longitude", 180),
    ("northern latitude", 90),
)


class Viewport(msgspec.Struct, frozen=True):
    """Degrees (WGS 84); its edges belong to it. West > east: it crosses the 180° meridian.

    A filter of the cable's conflated streams: viewers with equal viewports share frames.
    """

    west: float
    south: float
    east: float
    north: float

    def __call__(self, position: Any) -> bool:
        """Whether a position, decoded from JSON, lies in it."""
        if not self.south <= position["lat"] <= self.north:
            return False
        lon = position["lon"]
        # -180 and 180 are the same meridian.
        return self._spans(lon) or (abs(lon) == 180 and self._spans(-lon))

    def _spans(self, lon: float) -> bool:
        if self.west <= self.east:
            return self.west <= lon <= self.east
        return lon >= self.west or lon <= self.east


def read_viewport(sent: Mapping[str, Any], *, required: bool = False) -> Viewport | None:
    """Check the `viewport` of what a client sent; None is the whole map.

    Raises:
        BadInputError: names the field, its value and what would be right.
    """
    if required and "viewport" not in sent:
        raise BadInputError(FieldError("viewport", None, f"is required: {_RIGHT}"))
    value = sent.get("viewport")
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != len(_EDGES):
        raise BadInputError(FieldError("viewport", echo(value), f"must be {_RIGHT}"))
    errors = [
        FieldError(
            f"viewport[{index}]",
            echo(degrees),
            f"must be the {edge}, a number of degrees from -{limit} to {limit}",
        )
        for index, (degrees, (edge, limit)) in enumerate(zip(value, _EDGES, strict=True))
        if not _is_number(degrees) or not -limit <= degrees <= limit
    ]
    if errors:
        raise BadInputError(*errors)
    viewport = Viewport(*map(float, value))
    if viewport.south > viewport.north:
        raise BadInputError(
            FieldError(
                "viewport[1]",
                viewport.south,
                f"must be south of viewport[3], which is {viewport.north}, or equal to it",
            )
        )
    return viewport


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
