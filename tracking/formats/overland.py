"""Overland: `locations`, an array of GeoJSON features. -1 is unknown.

Features with an `action` tell what the app did (it paused, a visit began); they have the time of
that and the place of an older reading, or none.
https://github.com/aaronpk/Overland-iOS#api
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dispatch.errors import FieldError, echo
from tracking.fixes import decode_body
from tracking.formats import Item
from tracking.formats.values import Given, Place, bounded, make_fix, number, part

_CHARGING = {"charging": True, "full": True, "unplugged": False}


def read(body: bytes, *, technician_id: int, now: datetime) -> list[Item]:
    """Raises BadInputError where the body is not JSON."""
    features = part(decode_body(body), "locations")
    if not isinstance(features, list):
        return [FieldError("locations", echo(features), "must be an array of GeoJSON features")]
    return [_read_feature(feature, technician_id, now) for feature in bounded(features)]


def _read_feature(feature: Any, technician_id: int, now: datetime) -> Item:
    if not isinstance(feature, dict):
        return FieldError("locations", echo(feature), "must hold GeoJSON features")
    known = feature.get("properties")
    if part(known, "action") is not None:
        return None
    point = part(feature.get("geometry"), "coordinates")
    lon, lat = point[:2] if isinstance(point, list) and len(point) >= 2 else (None, None)
    motion, state = part(known, "motion"), part(known, "battery_state")
    return make_fix(
        "overland",
        Place(
            moment=Given("properties.timestamp", part(known, "timestamp")),
            lat=Given("geometry.coordinates.1", lat),
            lon=Given("geometry.coordinates.0", lon),
        ),
        technician_id=technician_id,
        now=now,
        accuracy=number(part(known, "horizontal_accuracy")),
        speed=number(part(known, "speed")),
        heading=number(part(known, "course")),
        altitude=number(part(known, "altitude")),
        battery=number(part(known, "battery_level")),
        charging=_CHARGING.get(state) if isinstance(state, str) else None,
        activity=motion[0] if isinstance(motion, list) and motion else None,
    )
