"""A right fix, and every way to get one wrong with what is answered to it."""

from __future__ import annotations

from typing import Any

ID = "0b7c9a52-54c4-4c57-8a3f-6a3f6f9f2f10"
GOOD = {"id": ID, "recorded_at": "2026-11-22T10:00:00.000Z", "lat": 40.7128, "lon": -74.006}
RIGHT_TIME = "must be a time with its offset, such as 2026-11-22T10:00:00.000Z"
RIGHT_LAT = "must be a number of degrees from -90 to 90"
RIGHT_ACTIVITY = "must be a text of at most 40 characters without NUL, or null where unknown"


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


# Name, body, and the field, value and message of the answer.
WRONG: list[tuple[str, Any, str, Any, str]] = [
    ("latitude 91", {**GOOD, "lat": 91}, "lat", 91, RIGHT_LAT),
    ("latitude -90.000001", {**GOOD, "lat": -90.000001}, "lat", -90.000001, RIGHT_LAT),
    ("latitude as a text", {**GOOD, "lat": "40.7"}, "lat", "40.7", RIGHT_LAT),
    ("latitude true", {**GOOD, "lat": True}, "lat", True, RIGHT_LAT),
    ("latitude null", {**GOOD, "lat": None}, "lat", None, RIGHT_LAT),
    ("latitude a list", {**GOOD, "lat": [40.7]}, "lat", "[40.7]", RIGHT_LAT),
    ("latitude NaN", {**GOOD, "lat": float("nan")}, "lat", "nan", RIGHT_LAT),
    ("latitude infinite", {**GOOD, "lat": float("-inf")}, "lat", "-inf", RIGHT_LAT),
    ("latitude huge", {**GOOD, "lat": 10**30}, "lat", "1" + "0" * 30, RIGHT_LAT),
    ("no latitude", without("lat"), "lat", None, "is required: " + RIGHT_LAT[8:]),
    (
        "longitude 180.1",
        {**GOOD, "lon": 180.1},
        "lon",
        180.1,
        "must be a number of degrees from -180 to 180",
    ),
    ("no id", without("id"), "id", None, "is required: the phone's own UUID for this fix"),
    ("id 1", {**GOOD, "id": 1}, "id", 1, "must be the phone's own UUID for this fix"),
    ("id a word", {**GOOD, "id": "one"}, "id", "one", "must be the phone's own UUID for this fix"),
    (
        "id with NUL",
        {**GOOD, "id": "\x00" + ID[1:]},
        "id",
        "\x00" + ID[1:],
        "must be the phone's own UUID for this fix",
    ),
    (
        "id with half a letter",
        {**GOOD, "id": "\ud800" + ID[1:]},
        "id",
        "\\ud800" + ID[1:],
        "must be the phone's own UUID for this fix",
    ),
    (
        "id of a thousand characters",
        {**GOOD, "id": "x" * 1000},
        "id",
        "x" * 80 + "…",
        "must be the phone's own UUID for this fix",
    ),
    ("no time", without("recorded_at"), "recorded_at", None, "is required: " + RIGHT_TIME[8:]),
    (
        "time without offset",
        {**GOOD, "recorded_at": "2026-11-22T10:00:00"},
        "recorded_at",
        "2026-11-22T10:00:00",
        RIGHT_TIME,
    ),
    ("time a number", {**GOOD, "recorded_at": 1795341600}, "recorded_at", 1795341600, RIGHT_TIME),
    ("time a date", {**GOOD, "recorded_at": "2026-11-22"}, "recorded_at", "2026-11-22", RIGHT_TIME),
    (
        "30th of February",
        {**GOOD, "recorded_at": "2026-02-30T10:00:00Z"},
        "recorded_at",
        "2026-02-30T10:00:00Z",
        RIGHT_TIME,
    ),
    (
        "a leap second",
        {**GOOD, "recorded_at": "2016-12-31T23:59:60Z"},
        "recorded_at",
        "2016-12-31T23:59:60Z",
        RIGHT_TIME,
    ),
    (
        "accuracy below zero",
        {**GOOD, "accuracy": -1},
        "accuracy",
        -1,
        "must be a number of metres from 0 to 10,000,000, or null where unknown",
    ),
    (
        "speed below zero",
        {**GOOD, "speed": -1.0},
        "speed",
        -1.0,
        "must be a number of metres per second from 0 to 10,000, or null where unknown",
    ),
    (
        "heading 360.5",
        {**GOOD, "heading": 360.5},
        "heading",
        360.5,
        "must be a number of degrees clockwise from north, from 0 to 360, or null where unknown",
    ),
    (
        "altitude NaN",
        {**GOOD, "altitude": float("nan")},
        "altitude",
        "nan",
        "must be a number of metres from -100,000 to 100,000, or null where unknown",
    ),
    (
        "battery in percent",
        {**GOOD, "battery": 80},
        "battery",
        80,
        "must be a number from 0 (empty) to 1 (full), or null where unknown",
    ),
    (
        "charging a number",
        {**GOOD, "charging": 1},
        "charging",
        1,
        "must be true, false, or null where unknown",
    ),
    (
        "mock a text",
        {**GOOD, "mock": "false"},
        "mock",
        "false",
        "must be true, false, or null where unknown",
    ),
    ("activity a number", {**GOOD, "activity": 7}, "activity", 7, RIGHT_ACTIVITY),
    ("activity too long", {**GOOD, "activity": "a" * 41}, "activity", "a" * 41, RIGHT_ACTIVITY),
    (
        "activity with NUL",
        {**GOOD, "activity": "walk\x00ing"},
        "activity",
        "walk\x00ing",
        RIGHT_ACTIVITY,
    ),
    (
        "activity with half a letter",
        {**GOOD, "activity": "\ud83d"},
        "activity",
        "\\ud83d",
        RIGHT_ACTIVITY,
    ),
    ("null", None, "fix", None, "must be a JSON object"),
    ("a number", 7, "fix", 7, "must be a JSON object"),
    ("a text", "fix", "fix", "fix", "must be a JSON object"),
    ("an empty object", {}, "id", None, "is required: the phone's own UUID for this fix"),
]
