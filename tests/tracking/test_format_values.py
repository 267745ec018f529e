"""What all formats share: lenient values, ids that follow from what was sent, bounds."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from pytest_django import Settings

from dispatch.errors import BadInputError
from tests.tracking.payloads import payload
from tests.tracking.test_formats import CONTEXT, NOW, at, fields, id_of
from tracking.formats import osmand, overland, owntracks, transistorsoft


@pytest.mark.parametrize("value", ["x" * 41, "\ud83d", [], {}, 10**400, -1e9, 1e9, "9" * 100, None])
def test_wrong_values_that_may_be_unknown_become_unknown(value: Any) -> None:
    known = dict.fromkeys(["accuracy", "speed", "heading", "altitude"], value)
    location = {
        "timestamp": "2026-11-22T10:00:00Z",
        "coords": {"latitude": 1, "longitude": 2, **known},
        "battery": {"level": value, "is_charging": value},
        "activity": {"type": value},
        "mock": value,
    }
    (item,) = transistorsoft.read(json.dumps(location).encode(), **CONTEXT)
    assert fields(item) == {"recorded_at": at("10:00:00"), "lat": 1.0, "lon": 2.0}


def test_nan_and_nul_become_unknown() -> None:
    body = b"""{"timestamp": 1795341600, "coords": {"latitude": 1, "longitude": 2, "speed": NaN,
        "accuracy": Infinity}, "activity": {"type": "walk\\u0000ing"}}"""
    (item,) = transistorsoft.read(body, **CONTEXT)
    assert fields(item) == {"recorded_at": at("10:00:00"), "lat": 1.0, "lon": 2.0}


@pytest.mark.parametrize("read", [transistorsoft.read, owntracks.read, overland.read])
@pytest.mark.parametrize("body", [b"x", b"{", b"\xff", b"[" * 100_000])
def test_what_is_not_json_is_refused_as_a_whole(read: Any, body: bytes) -> None:
    with pytest.raises(BadInputError) as refused:
        read(body, **CONTEXT)
    assert (refused.value.status, refused.value.errors[0].field) == (400, "body")


def test_ids_follow_from_what_was_sent() -> None:
    """Sent again it is the same; at another time or place, or of somebody else, another."""
    body = json.loads(payload("owntracks-ios"))

    def identified(technician: int = 7, **changes: Any) -> uuid.UUID:
        raw = json.dumps({**body, **changes}).encode()
        (item,) = owntracks.read(raw, technician_id=technician, now=NOW)
        return id_of(item)

    first = identified()
    assert first == uuid.UUID("aa7b8ea8-c00f-5a3b-8efd-f4831cc4ee38")
    assert identified(batt=3, vel=1, created_at=1) == first
    others = [identified(8), identified(tst=1795341601), identified(lat=60.533), identified(lon=1)]
    assert len({first, *others}) == 5
    query = b"timestamp=1795341600&lat=60.532&lon=26.94"
    (same_place,) = osmand.read(osmand.read_fields(query), **CONTEXT)
    assert id_of(same_place) not in {first, *others}


def test_an_upload_has_its_bound(settings: Settings) -> None:
    settings.INGEST_MAX_ITEMS = 3
    assert len(transistorsoft.read(b"[1, 2, 3]", **CONTEXT)) == 3
    for read, body in (
        (transistorsoft.read, b"[1, 2, 3, 4]"),
        (owntracks.read, b"[1, 2, 3, 4]"),
        (overland.read, b'{"locations": [1, 2, 3, 4]}'),
    ):
        with pytest.raises(BadInputError, match="at most 3 fixes") as refused:
            read(body, **CONTEXT)
        assert refused.value.status == 413
