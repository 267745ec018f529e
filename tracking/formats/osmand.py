"""OsmAnd's live tracking, and what else speaks it: Traccar Client before 9, GPSLogger, trackers.

One position a request, in the query or in a form. Speed is in knots, the battery in per cent.
https://www.traccar.org/osmand/
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import parse_qsl

from django.conf import settings

from dispatch.errors import BadInputError, FieldError
from tracking.formats import Item
from tracking.formats.values import KNOT, Given, Place, make_fix, number, scaled, share

_TRUTH = {"true": True, "1": True, "false": False, "0": False}


def read_fields(query: bytes, form: bytes = b"") -> dict[str, str]:
    """The fields of a request's query and body; of several with one name the last.

    Raises:
        BadInputError: there are more than INGEST_MAX_FORM_FIELDS.
    """
    most = settings.INGEST_MAX_FORM_FIELDS
    try:
        return {
            name: value
            for part in (query, form)
            for name, value in parse_qsl(
                part.decode("latin-1"), keep_blank_values=True, max_num_fields=most
            )
        }
    except ValueError:
        raise BadInputError(
            FieldError("body", None, f"may have at most {most} fields in query or form")
        ) from None


def device(fields: Mapping[str, str]) -> str | None:
    """What the app calls itself."""
    return fields.get("id") or fields.get("deviceid")


def read(fields: Mapping[str, str], *, technician_id: int, now: datetime) -> list[Item]:
    """The one position of these fields."""
    lat, lon = fields.get("lat"), fields.get("lon")
    lat_name, lon_name = "lat", "lon"
    if lat is None and lon is None and "location" in fields:
        lat_name = lon_name = "location"
        lat, _, lon = fields["location"].partition(",")
    return [
        make_fix(
            "osmand",
            Place(
                moment=Given("timestamp", fields.get("timestamp")),
                lat=Given(lat_name, lat),
                lon=Given(lon_name, lon),
            ),
            technician_id=technician_id,
            now=now,
            accuracy=number(fields.get("accuracy")),
            speed=scaled(fields.get("speed"), KNOT),
            heading=number(fields.get("bearing", fields.get("heading"))),
            altitude=number(fields.get("altitude")),
            battery=share(fields.get("batt")),
            charging=_TRUTH.get(fields.get("charge", "").lower()),
            mock=_TRUTH.get(fields.get("mock", "").lower()),
        )
    ]
