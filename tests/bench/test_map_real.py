"""The real map's viewers: what they keep and how old it is, and what its verdict is made of."""

from __future__ import annotations

import ctypes
import time
from typing import Any

import msgspec
import pytest

from bench.accounting import Usage
from bench.clocks import unix_ahead_ns
from bench.ingest_figures import Account, Latency
from bench.map_figures import Round
from bench.map_real_figures import Real, real_doubts, real_parts
from bench.map_real_viewers import RealPosition, RealTally, Strip, read_positions, strip_of
from bench.map_viewers import Viewer
from bench.positions import VIEWPORTS
from bench.tracks import Track, longitudes
from bench.verdict import last_line
from tracking.viewport import read_viewport

FIX = {
    "lat": 40.5,
    "lon": -74.3,
    "accuracy": 5.0,
    "speed": 12.0,
    "heading": None,
    "battery": 0.8,
    "recorded_at": "2026-11-22T10:00:00.250Z",
    "received_at": "2026-11-22T10:00:00.300Z",
}
RECORDED_NS = 1_795_341_600_250_000_000


def message(content: dict[str, Any], **params: Any) -> bytes:
    identifier = msgspec.json.encode({"channel": "MapChannel", **params}).decode()
    return msgspec.json.encode({"identifier": identifier, "message": content})


def test_a_position_s_age_is_from_when_it_was_recorded() -> None:
    tally = RealTally((ctypes.c_ulonglong * 1)(), 0)
    read = tally.reader()
    server_time = "2026-11-22T10:00:00.500Z"
    later = {**FIX, "lon": -74.2}
    moment = RECORDED_NS + 125_000_000 - unix_ahead_ns()
    changes = message({"type": "changes", "server_time": server_time, "items": {"7": later}})
    for data in (
        message({"type": "technicians", "thresholds": {}, "technicians": []}),
        message({"type": "snapshot", "server_time": server_time, "items": {}}),
        changes,
    ):
        read(data, 0, len(data), moment)
    seen = tally.take()
    (viewer,) = seen.viewers
    assert (viewer.snapshots, viewer.delivered, viewer.went_back) == (1, 1, 0)
    # The two clocks may have been set against each other meanwhile.
    assert list(seen.ages) == [pytest.approx(0.125, abs=0.01)]
    assert viewer.known["7"].version == RECORDED_NS // 1000
    assert viewer.bytes == len(changes)


def test_the_clocks_differ_by_what_is_told() -> None:
    assert time.monotonic_ns() + unix_ahead_ns() == pytest.approx(time.time_ns(), abs=1e9)


def test_maps_are_compared_with_what_the_product_tells() -> None:
    listed = {"technician_id": 7, "age_seconds": 1, "state": "live", **FIX}
    truth = read_positions(msgspec.json.encode({"server_time": "", "results": [listed]}))
    shown = msgspec.convert(FIX, RealPosition)
    assert truth == {"7": shown}
    assert Viewer(known={"7": shown}).wrong(truth) == 0
    moved = msgspec.structs.replace(shown, lat=40.6)
    assert Viewer(known={"7": moved}).wrong(truth) == 1
    assert Viewer(viewport=Strip(-74.2, -74.1), known={"7": shown}).wrong(truth) == 1


def test_a_strip_is_the_products_viewport() -> None:
    strip = Strip(-74.3, -74.2)
    viewport = read_viewport(strip.params)
    assert viewport is not None
    for lon in (-74.31, -74.3, -74.25, -74.2, -74.19):
        assert viewport({"lat": 40.5, "lon": lon}) == strip.shows(lon)
    assert strip_of({"channel": "MapChannel", **strip.params}) == strip
    assert strip_of({"channel": "MapChannel"}) is None


def test_each_part_of_the_map_has_about_a_tenth_of_the_technicians() -> None:
    fixes = [
        msgspec.json.decode(Track(0, number, starts_at=1e6).fixes(1, 2e6)) for number in range(1000)
    ]
    counts = []
    for part in range(VIEWPORTS):
        strip = Strip(*longitudes(0, 1000, part=part, parts=VIEWPORTS))
        counts.append(sum(strip.shows(fix["lon"]) for fix in fixes))
    assert all(75 <= count <= 115 for count in counts), counts
    assert sum(counts) == 1000


def real(**changed: Any) -> Real:
    usage = Usage(1.0, 0.5, 0.0, [0.1, 0.2], 0.0, changed.pop("core", 0.5), 0.3, 1)
    age, fixes = changed.pop("age", 499.0), changed.pop("fixes", 1000)
    values: dict[str, Any] = {
        "technicians": 1000,
        "viewers": 100,
        "phone_processes": 1,
        "rounds": [Round(fixes, 100, 100_000, 100.0, age, 600.0, usage)],
        "answers": [Latency(1000.0, fixes, 5.0, 20.0, 30.0, 1.0, usage)],
        "full_bytes": 1000.0,
        "viewport_bytes": 150.0,
        "frames_per_second": 4,
        "on_map": 1000,
        "wrong": 0,
        "went_back": 0,
        "lost_sockets": 0,
        "account": Account(["acme"], [10], [10]),
    }
    return Real(**{**values, **changed})


def test_the_verdict_of_a_real_run_that_just_holds() -> None:
    assert last_line("map", real_parts(real())) == (
        "map: real age p99 499 ms (< 500) · real frames 4 a second (<= 4) · "
        "real viewport 15 % (<= 15) · real wrong 0 · real lost 0"
    )
    assert real_doubts(real()) == []


@pytest.mark.parametrize(
    ("changed", "failed"),
    [
        ({"age": 500.0}, "real age p99"),
        ({"frames_per_second": 5}, "real frames"),
        ({"viewport_bytes": 150.1}, "real viewport"),
        ({"wrong": 1}, "real wrong"),
        ({"went_back": 1}, "real wrong"),
        ({"lost_sockets": 1}, "real wrong"),
        ({"on_map": 999}, "real wrong"),
        ({"account": Account(["acme"], [10], [9])}, "real lost"),
        ({"account": Account(["acme"], [10], [11])}, "real lost"),
        ({"account": Account(["acme"], [10], [10], {"503: busy": 1})}, "real lost"),
    ],
)
def test_each_part_of_a_real_run_fails_by_itself(changed: dict[str, Any], failed: str) -> None:
    assert [part.name for part in real_parts(real(**changed)) if not part.holds] == [failed]


def test_a_full_core_and_phones_that_wait_are_told() -> None:
    assert real_doubts(real(core=0.96, fixes=979)) == [
        "real: 979 of 1,000 posts a second were answered, so that phones waited",
        "real: the server's core was full (96%, the server itself 50%)",
        "real: other programs took part of a core in 1 of 1 rounds (up to 46%)",
    ]
    assert real_doubts(real(core=0.6, fixes=980)) == []
