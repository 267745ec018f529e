"""OwnTracks in HTTP mode: one message a request, of which `location` is a position.

The body is empty where the app only says that a friend is gone.
https://owntracks.org/booklet/tech/json/
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dispatch.errors import FieldError, echo
from tracking.fixes import decode_body
from tracking.formats import Item
from tracking.formats.values import KMH, Given, Place, bounded, make_fix, number, scaled, share

# `bs`: 1 unplugged, 2 charging, 3 full. 0 is unknown.
_CHARGING = {1: False, 2: True, 3: True}


def read(body: bytes, *, technician_id: int, now: datetime) -> list[Item]:
    """Raises BadInputError where the body is not JSON."""
    if not body.strip():
        return []
    content = decode_body(body)
    items = content if isinstance(content, list) else [content]
    return [_read_item(item, technician_id, now) for item in bounded(items)]


def _read_item(item: Any, technician_id: int, now: datetime) -> Item:
    if not isinstance(item, dict):
        return FieldError("_type", echo(item), "must be in a JSON object")
    if item.get("_type") != "location":
        return None
    motions, state = item.get("motionactivities"), number(item.get("bs"))
    return make_fix(
        "owntracks",
        Place(
            moment=Given("tst", item.get("tst")),
            lat=Given("lat", item.get("lat")),
            lon=Given("lon", item.get("lon")),
        ),
        technician_id=technician_id,
        now=now,
        accuracy=number(item.get("acc")),
        speed=scaled(item.get("vel"), KMH),
        heading=number(item.get("cog")),
        altitude=number(item.get("alt")),
        battery=share(item.get("batt")),
        charging=None if state is None else _CHARGING.get(int(state)),
        activity=motions[0] if isinstance(motions, list) and motions else None,
    )
