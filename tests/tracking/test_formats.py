"""What apps really send becomes exactly these fixes, and what is wrong costs nothing beside it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from pytest_django import Settings

from dispatch.errors import BadInputError, FieldError
from tests.tracking.payloads import osmand_requests, payload
from tracking.fixes import FixForm
from tracking.formats import Item, osmand, overland, owntracks, transistorsoft

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CONTEXT: dict[str, Any] = {"technician_id": 7, "now": NOW}
RIGHT_TIME = "a time: ISO 8601 with its offset, or seconds or milliseconds since 1970"
RIGHT_LAT = "a number of degrees from -90 to 90"
RIGHT_LON = "a number of degrees from -180 to 180"


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-22T{clock}+00:00")


def fields(item: Item) -> dict[str, Any]:
    """A fix without its id and what it does not know."""
    assert isinstance(item, FixForm), item
    known = msgspec.structs.asdict(item)
    return {name: value for name, value in known.items() if value is not None and name != "id"}


def id_of(item: Item) -> uuid.UUID:
    assert isinstance(item, FixForm), item
    return item.id


# --- Transistor Software's SDK


def test_one_location_of_the_sdk() -> None:
    (item,) = transistorsoft.read(payload("transistorsoft-single"), **CONTEXT)
    assert item == FixForm(
        id=uuid.UUID("0f2e8c1a-3b7d-4e59-9a61-5c0d7b8e2f10"),
        recorded_at=at("10:00:00.123"),
        lat=60.532511,
        lon=26.940207,
        accuracy=4.7,
        speed=8.31,
        heading=91.5,
        altitude=17.2,
        battery=0.83,
        charging=True,
        activity="in_vehicle",
    )


def test_a_batch_of_the_sdk() -> None:
    """Of its second item nothing is stored, of its third the place is missing."""
    first, sample, wrong, last = transistorsoft.read(payload("transistorsoft-batch"), **CONTEXT)
    assert fields(first) == {
        "recorded_at": at("10:00:00.500"),
        "lat": 60.53,
        "lon": 26.94,
        "altitude": 12.0,
        "charging": False,
    }
    assert id_of(first) == uuid.UUID("7d1f7b52-9c0d-4a6b-8a35-bb8d8c0e5a11")
    assert sample is None
    assert wrong == FieldError("coords.latitude", None, f"is required: {RIGHT_LAT}")
    assert fields(last) == {
        "recorded_at": at("10:00:09"),
        "lat": 60.5325,
        "lon": 26.9425,
        "accuracy": 5.0,
        "heading": 360.0,
        "battery": 1.0,
        "charging": False,
        "activity": "walking",
        "mock": True,
    }
    assert id_of(last).version == 5


def test_the_sdk_without_a_root() -> None:
    first, second = transistorsoft.read(payload("transistorsoft-root-array"), **CONTEXT)
    assert fields(first) == {
        "recorded_at": at("10:00:00"),
        "lat": 60.54,
        "lon": 26.95,
        "accuracy": 9.5,
    }
    assert second == FieldError("location", None, "must be a JSON object")
    (alone,) = transistorsoft.read(payload("transistorsoft-root-object"), **CONTEXT)
    assert fields(alone) == {
        "recorded_at": at("10:00:00"),
        "lat": -33.86,
        "lon": 151.21,
        "accuracy": 20.0,
        "speed": 0.0,
    }


def test_traccar_client_of_today() -> None:
    (item,) = transistorsoft.read(payload("traccar-client"), **CONTEXT)
    assert fields(item) == {
        "recorded_at": at("10:05:00"),
        "lat": 60.5351,
        "lon": 26.9411,
        "accuracy": 14.8,
        "speed": 0.4,
        "heading": 12.0,
        "altitude": 8.9,
        "battery": 0.46,
        "charging": False,
        "activity": "still",
    }
    assert transistorsoft.device(payload("traccar-client")) == "41180037"


@pytest.mark.parametrize("body", [b"", b"x", b"[]", b'{"device_id": 7}', b"7"])
def test_bodies_that_name_no_device(body: bytes) -> None:
    assert transistorsoft.device(body) is None


def test_the_sdk_is_told_how_to_go_on() -> None:
    off = {"stored": 1, "profile": {"mode": "off"}}
    assert transistorsoft.reply(off) == {**off, "background_geolocation": [["stop"]]}
    profile = {"mode": "fine", "distance_filter": 10, "interval": 5, "upload_interval": 20}
    config = {"distanceFilter": 10, "locationUpdateInterval": 5_000, "autoSyncThreshold": 4}
    assert transistorsoft.reply({"profile": profile}) == {
        "profile": profile,
        "background_geolocation": [["setConfig", config]],
    }


# --- OwnTracks


def test_owntracks_on_ios() -> None:
    (item,) = owntracks.read(payload("owntracks-ios"), **CONTEXT)
    assert fields(item) == {
        "recorded_at": at("10:00:00"),
        "lat": 60.532,
        "lon": 26.94,
        "accuracy": 10.0,
        "speed": 10.0,
        "heading": 98.0,
        "altitude": 36.0,
        "battery": 0.57,
        "charging": True,
        "activity": "automotive",
    }


def test_owntracks_on_android() -> None:
    (item,) = owntracks.read(payload("owntracks-android"), **CONTEXT)
    assert fields(item) == {
        "recorded_at": at("10:01:39"),
        "lat": 60.5326,
        "lon": 26.9404,
        "accuracy": 12.5,
        "speed": 0.0,
        "altitude": 0.0,
        "battery": 1.0,
        "charging": False,
    }


def test_what_owntracks_does_not_know() -> None:
    (item,) = owntracks.read(payload("owntracks-odd"), **CONTEXT)
    assert fields(item) == {"recorded_at": at("10:01:40.250"), "lat": 60.5, "lon": 26.9}


def test_messages_of_owntracks_that_are_no_positions() -> None:
    for name in ("owntracks-transition", "owntracks-waypoints"):
        assert owntracks.read(payload(name), **CONTEXT) == [None]
    assert owntracks.read(b'{"_type": "encrypted", "data": "x"}', **CONTEXT) == [None]
    assert owntracks.read(b"{}", **CONTEXT) == [None]
    assert owntracks.read(b"", **CONTEXT) == owntracks.read(b" \n", **CONTEXT) == []
    assert owntracks.read(b"7", **CONTEXT) == [FieldError("_type", 7, "must be in a JSON object")]


# --- Overland


def test_a_batch_of_overland() -> None:
    first, second, ended, wrong, last = overland.read(payload("overland-batch"), **CONTEXT)
    assert fields(first) == {
        "recorded_at": at("10:00:00"),
        "lat": 60.532511,
        "lon": 26.940207,
        "accuracy": 5.0,
        "speed": 8.0,
        "heading": 271.0,
        "altitude": 17.0,
        "battery": 0.89,
        "charging": True,
        "activity": "driving",
    }
    assert fields(second) == {
        "recorded_at": at("10:00:05"),
        "lat": 60.53,
        "lon": 26.94,
        "altitude": 0.0,
    }
    assert ended is None
    assert wrong == FieldError("geometry.coordinates.1", None, f"is required: {RIGHT_LAT}")
    assert fields(last) == {
        "recorded_at": at("10:00:08"),
        "lat": 60.5301,
        "lon": 26.9401,
        "accuracy": 30.0,
        "battery": 0.55,
        "charging": False,
    }


def test_a_visit_of_overland_is_no_position() -> None:
    assert overland.read(payload("overland-visit"), **CONTEXT) == [None]


def test_overland_without_features() -> None:
    wrong = FieldError("locations", None, "must be an array of GeoJSON features")
    assert overland.read(b"{}", **CONTEXT) == overland.read(b"7", **CONTEXT) == [wrong]
    assert overland.read(b'{"locations": []}', **CONTEXT) == []
    assert overland.read(b'{"locations": [7]}', **CONTEXT) == [
        FieldError("locations", 7, "must hold GeoJSON features")
    ]


# --- OsmAnd

OSMAND = [
    {
        "recorded_at": at("10:00:00"),
        "lat": 60.532511,
        "lon": 26.940207,
        "accuracy": 4.7,
        "speed": 16.2 * (1852 / 3600),
        "heading": 91.5,
        "altitude": 17.2,
        "battery": 0.57,
        "charging": True,
        "mock": False,
    },
    {
        "recorded_at": at("10:00:00.500"),
        "lat": 60.53,
        "lon": 26.94,
        "speed": 0.0,
        "heading": 0.0,
        "altitude": 12.0,
    },
    {
        "recorded_at": at("10:00:00.250"),
        "lat": -33.86,
        "lon": 151.21,
        "heading": 360.0,
        "battery": 1.0,
        "charging": False,
    },
    {"recorded_at": at("10:00:00"), "lat": 60.5, "lon": 26.9},
]


@pytest.mark.parametrize(
    ("request_", "expected"), list(zip(osmand_requests(), OSMAND, strict=True))
)
def test_osmand(request_: dict[str, str], expected: dict[str, Any]) -> None:
    given = osmand.read_fields(request_["query"].encode(), request_["form"].encode())
    (item,) = osmand.read(given, **CONTEXT)
    assert fields(item) == expected


def test_the_name_of_osmand_s_device() -> None:
    devices = [
        osmand.device(osmand.read_fields(one["query"].encode(), one["form"].encode()))
        for one in osmand_requests()
    ]
    assert devices == ["41180037", "van7", "van7", "tracker-12"]
    assert osmand.device({}) is None


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("", FieldError("timestamp", None, f"is required: {RIGHT_TIME}")),
        ("timestamp=1795341600", FieldError("lat", None, f"is required: {RIGHT_LAT}")),
        ("timestamp=1795341600&lat=60", FieldError("lon", None, f"is required: {RIGHT_LON}")),
        ("timestamp=1795341600&lat=91&lon=0", FieldError("lat", "91", f"must be {RIGHT_LAT}")),
        ("timestamp=1795341600&lat=NaN&lon=0", FieldError("lat", "NaN", f"must be {RIGHT_LAT}")),
        (
            "timestamp=1795341600&location=60",
            FieldError("location", "", f"must be {RIGHT_LON}"),
        ),
        (
            "timestamp=2026-11-22+10:00:00&lat=60&lon=0",  # whose clock?
            FieldError("timestamp", "2026-11-22 10:00:00", f"must be {RIGHT_TIME}"),
        ),
        (
            "timestamp=1795514401&lat=60&lon=0",
            FieldError(
                "timestamp",
                "1795514401",
                "must lie between 2000-05-02 and 2026-11-23T12:00:00Z, a day from now; "
                "check the phone's clock",
            ),
        ),
    ],
)
def test_what_osmand_cannot_do_without(query: str, error: FieldError) -> None:
    assert osmand.read(osmand.read_fields(query.encode()), **CONTEXT) == [error]


def test_a_form_has_its_bound(settings: Settings) -> None:
    most = settings.INGEST_MAX_FORM_FIELDS
    assert len(osmand.read_fields(b"&".join(b"a%d=1" % n for n in range(most)))) == most
    with pytest.raises(BadInputError, match=f"at most {most} fields"):
        osmand.read_fields(b"&".join(b"a%d=1" % n for n in range(most + 1)))
