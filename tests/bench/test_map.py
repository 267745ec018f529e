"""The map's viewers: what each keeps, what is counted as wrong, late or too often."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import msgspec
import pytest

from bench.accounting import Usage
from bench.map_figures import Round, Run, parts
from bench.map_viewers import MapTally, Viewer, most_within
from bench.positions import VIEWPORTS, Position, Viewport, first_positions, position
from bench.verdict import last_line

MICROSECOND = 1000  # nanoseconds


class Peer:
    """One viewer of a tally, and what the server sends it."""

    def __init__(self, *, viewport: int | None = None) -> None:
        self.counters = (ctypes.c_ulonglong * 2)()
        self.tally = MapTally(self.counters, 1)
        self._read = self.tally.reader()
        params = {"channel": "MapChannel"} | ({} if viewport is None else {"viewport": viewport})
        self._identifier = msgspec.json.encode(params).decode()

    def get(self, message: dict[str, Any], *, now: int = 0) -> None:
        data = msgspec.json.encode({"identifier": self._identifier, "message": message})
        self._read(b"before" + data + b"after", 6, 6 + len(data), now)

    def frame(
        self, kind: str, items: dict[str, Position], removed: list[str] | None = None, now: int = 0
    ) -> None:
        gone = {"removed": removed} if removed else {}
        made_at = "2026-11-22T10:00:00.250Z"
        self.get({"type": kind, "server_time": made_at, "items": items, **gone}, now=now)

    @property
    def viewer(self) -> Viewer[Position]:
        return self.tally.take().viewers[0]


@cache
def at(technician: int, version: int) -> Position:
    return position(technician, 0, version)


def test_a_map_follows_its_frames_and_every_age_is_kept_once() -> None:
    peer = Peer()
    peer.frame("snapshot", {"1": at(1, 0), "2": at(2, 0)})
    peer.frame("changes", {"1": at(1, 500)}, ["2"], now=2500 * MICROSECOND)
    seen = peer.tally.take()
    (viewer,) = seen.viewers
    assert [value.version for value in viewer.known.values()] == [500]
    assert (viewer.snapshots, viewer.delivered, viewer.went_back) == (1, 1, 0)
    assert list(seen.ages) == [0.002]
    assert list(peer.tally.take().ages) == []
    assert viewer.read_at == [0.0025]
    assert len(viewer.made_at) == 1
    assert list(peer.counters) == [0, 1]
    assert viewer.viewport is None


def test_versions_that_go_back_or_come_again_are_counted() -> None:
    peer = Peer()
    peer.frame("snapshot", {"1": at(1, 10), "2": at(2, 10)})
    peer.frame("changes", {"1": at(1, 10)})
    assert peer.viewer.went_back == 1
    peer.frame("changes", {"1": at(1, 9), "2": at(2, 11)})
    assert peer.viewer.went_back == 2
    peer.frame("snapshot", {"1": at(1, 9), "2": at(2, 10)})
    assert peer.viewer.went_back == 3


def test_a_viewport_is_known_from_the_identifier_and_its_ages_are_not_taken() -> None:
    peer = Peer(viewport=3)
    peer.frame("snapshot", {})
    peer.frame("changes", {"1": at(1, 500)}, now=2500 * MICROSECOND)
    seen = peer.tally.take()
    assert seen.viewers[0].viewport == Viewport(3)
    assert list(seen.ages) == []
    assert seen.viewers[0].delivered == 1


def test_the_baseline_is_read_alike() -> None:
    peer = Peer()
    peer.get({"type": "fix", "id": "1", "position": at(1, 1)}, now=2 * MICROSECOND)
    seen = peer.tally.take()
    assert seen.viewers[0].known == {"1": at(1, 1)}
    assert list(seen.ages) == [0.000001]
    assert (seen.viewers[0].read_at, seen.viewers[0].made_at) == ([0.000002], [])


def test_wrong_are_missing_surplus_and_different_keys() -> None:
    truth = {"1": at(1, 5), "2": at(2, 5)}
    assert Viewer(known=dict(truth)).wrong(truth) == 0
    assert Viewer(known={"1": at(1, 5)}).wrong(truth) == 1
    assert Viewer(known={**truth, "3": at(3, 5)}).wrong(truth) == 1
    moved = msgspec.structs.replace(truth["1"], lat=41.0)
    assert Viewer(known={**truth, "1": moved}).wrong(truth) == 1
    assert Viewer(known={"3": at(3, 5)}).wrong(truth) == 3


async def test_each_technician_is_in_one_viewport_which_have_the_same_number() -> None:
    truth = {key: state.value for key, state in (await first_positions(1000)).items()}
    views = [
        {key: value for key, value in truth.items() if Viewport(number).shows(value.lon)}
        for number in range(VIEWPORTS)
    ]
    assert sum(map(len, views)) == 1000
    assert all(99 <= len(view) <= 101 for view in views)
    viewer = Viewer(viewport=Viewport(4), known=views[4])
    assert viewer.wrong(truth) == 0
    viewer.known = truth
    assert viewer.wrong(truth) == 1000 - len(views[4])


def test_a_report_has_about_the_size_of_a_real_one_and_moves_the_technician() -> None:
    assert 180 <= len(msgspec.json.encode(at(17, 123_456_789_012))) <= 230
    here, there = position(7, 0, 1), position(7, 1, 2)
    assert there.lon - here.lon == pytest.approx(0.00014, abs=0.000002)


def test_the_most_within_a_span() -> None:
    assert most_within(1, []) == 0
    assert most_within(1, [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]) == 4
    assert most_within(1, [0.0, 0.25, 0.5, 0.75, 0.99, 1.75]) == 5
    assert most_within(1, [0.0, 5.0, 5.1, 9.0]) == 2


def run(**changed: Any) -> Run:
    usage = Usage(1.0, changed.pop("cpu", 0.5), 0.0, [], 0.0, 0.5, 0.0, 1)
    age = changed.pop("age", 260.0)
    values: dict[str, Any] = {
        "kind": "conflated",
        "technicians": 1000,
        "rounds": [Round(1000, 100, 100_000, 100.0, age, 300.0, usage)],
        "full_bytes": 1000.0,
        "viewport_bytes": 150.0,
        "published": 1000,
        "publisher_late": 0.0,
        "viewers": 100,
        "delivered": 100_000,
        "superseded": 0,
        "frames_per_second": 4,
        "frames_per_second_read": 5,
        "snapshots": 110,
        "wrong": 0,
        "went_back": 0,
        "lost_sockets": 0,
    }
    return Run(**{**values, **changed})


def test_the_verdict_of_a_run_that_just_holds() -> None:
    held = parts([run()], run(cpu=5.0))
    assert last_line("map", held) == (
        "map: 10.0x (budget 10x) · age p99 260 ms (< 500) · frames 4 a second (<= 4) · "
        "viewport of 10%: bytes 15 % (<= 15) · wrong 0 · went back 0 · sockets lost 0"
    )


@pytest.mark.parametrize(
    ("changed", "failed"),
    [
        ({"cpu": 0.51}, "ratio"),
        ({"age": 500.1}, "age p99"),
        ({"frames_per_second": 5}, "frames"),
        ({"viewport_bytes": 150.1}, "viewport of 10%: bytes"),
        ({"wrong": 1}, "wrong"),
        ({"went_back": 1}, "went back"),
        ({"lost_sockets": 1}, "sockets lost"),
    ],
)
def test_each_part_fails_by_itself_however_well_another_run_did(
    changed: dict[str, Any], failed: str
) -> None:
    verdict = parts([run(), run(**changed)], run(cpu=5.0))
    assert [part.name for part in verdict if not part.holds] == [failed]


def test_cpu_is_the_median_of_the_rounds_and_ages_of_the_least_disturbed() -> None:
    rounds = [
        Round(1000, 100, 1, 1.0, age, 1.0, Usage(1.0, cpu, 0.0, [], 0.0, core, 0.0, 1))
        for cpu, core, age in ((0.1, 0.9, 1.0), (0.9, 1.0, 2.0), (0.5, 0.9, 3.0))
    ]
    measured = run(rounds=rounds)
    assert measured.cpu_us == 5.0
    assert measured.least_disturbed.age_p99 == 2.0
