"""The SDK "background geolocation" of Transistor Software, and Traccar Client from 9 on.

`location` holds one object, or with `batchSync` an array; with `httpRootProperty: "."` either is
the root itself. -1 is unknown. The SDK takes any 20x as stored, and stops at anything else.
https://transistorsoft.github.io/capacitor-background-geolocation/interfaces/location.html
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dispatch.errors import BadInputError, FieldError, echo
from tracking.fixes import decode_body
from tracking.formats import Item
from tracking.formats.values import Given, Place, bounded, make_fix, number, part


def read(body: bytes, *, technician_id: int, now: datetime) -> list[Item]:
    """Raises BadInputError where the body is not JSON."""
    content = decode_body(body)
    if isinstance(content, dict) and "location" in content:
        content = content["location"]
    items = content if isinstance(content, list) else [content]
    return [_read_item(item, technician_id, now) for item in bounded(items)]


def device(body: bytes) -> str | None:
    """What Traccar Client calls itself."""
    try:
        name = part(decode_body(body), "device_id")
    except BadInputError:
        return None  # `read` says so, to whom we know
    return name if isinstance(name, str) else None


def reply(results: dict[str, Any]) -> dict[str, Any]:
    """The answer's content: its profile also as calls that the SDK makes on reading it.

    `autoSyncThreshold` is in locations: as many as come between two uploads.
    """
    profile = results["profile"]
    if profile["mode"] == "off":
        return {**results, "background_geolocation": [["stop"]]}
    config = {
        "distanceFilter": profile["distance_filter"],
        "locationUpdateInterval": profile["interval"] * 1000,
        "autoSyncThreshold": profile["upload_interval"] // profile["interval"],
    }
    return {**results, "background_geolocation": [["setConfig", config]]}


def _read_item(item: Any, technician_id: int, now: datetime) -> Item:
    if not isinstance(item, dict):
        return FieldError("location", echo(item), "must be a JSON object")
    if item.get("sample") is True:
        return None  # one of the readings among which the SDK still chooses
    coords, battery = item.get("coords"), item.get("battery")
    activity = part(item.get("activity"), "type")
    return make_fix(
        "transistorsoft",
        Place(
            moment=Given("timestamp", item.get("timestamp")),
            lat=Given("coords.latitude", part(coords, "latitude")),
            lon=Given("coords.longitude", part(coords, "longitude")),
        ),
        own_id=item.get("uuid"),
        technician_id=technician_id,
        now=now,
        accuracy=number(part(coords, "accuracy")),
        speed=number(part(coords, "speed")),
        heading=number(part(coords, "heading")),
        altitude=number(part(coords, "altitude")),
        battery=number(part(battery, "level")),
        charging=part(battery, "is_charging"),
        activity=None if activity == "unknown" else activity,
        mock=item.get("mock"),
    )
