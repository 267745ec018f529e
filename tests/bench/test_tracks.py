"""What the phones of the bench upload: believable, and each fix new."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from bench.tracks import DRIVE_SECONDS, RADIUS, SPEED, STAND_SECONDS, Track
from tracking.geo import distance


def decoded(body: bytes) -> Any:
    return msgspec.json.decode(body)


def moment_of(fix: dict[str, Any]) -> float:
    return datetime.fromisoformat(fix["recorded_at"]).timestamp()


def test_a_batch_is_a_track_at_a_fix_a_second() -> None:
    track = Track(1, 5, starts_at=1_000_000.0)
    fixes = decoded(track.fixes(50, 2_000_000.0)) + decoded(track.fixes(50, 2_000_000.0))
    assert [moment_of(each) for each in fixes] == [1_000_001.0 + n for n in range(100)]
    assert len({each["id"] for each in fixes}) == 100
    for before, after in pairwise(fixes):
        moved = distance(before["lat"], before["lon"], after["lat"], after["lon"])
        assert moved == pytest.approx(after["speed"], abs=0.3)
    assert {each["speed"] for each in fixes} <= {0, SPEED}


def test_everybody_drives_a_while_and_then_stands_at_their_stop() -> None:
    track = Track(0, 3, starts_at=0.0)
    fixes = decoded(track.fixes(2 * (DRIVE_SECONDS + STAND_SECONDS), 1e9))
    standing = [each for each in fixes if each["speed"] == 0]
    assert len(standing) == 2 * STAND_SECONDS
    assert {(each["lat"], each["lon"]) for each in standing} == {track.stop}
    farthest = max(distance(*track.stop, each["lat"], each["lon"]) for each in fixes)
    assert farthest == pytest.approx(2 * RADIUS, rel=0.005)


def test_one_fix_is_an_object_and_none_is_ahead_of_the_clock() -> None:
    track = Track(0, 0, starts_at=100.0)
    assert moment_of(decoded(track.fixes(1, 100.4))) == 100.4
    assert moment_of(decoded(track.fixes(1, 100.4))) == 100.42
    assert moment_of(decoded(track.fixes(1, 200.0))) == 101.42


def test_headings_follow_the_circle() -> None:
    track = Track(0, 0, starts_at=-1.0)
    first = decoded(track.fixes(1, 1e9))
    assert (first["speed"], first["heading"]) == (SPEED, 0.0)
    quarter = decoded(track.fixes(DRIVE_SECONDS // 4, 1e9))[-1]
    assert quarter["heading"] == 270.0  # to the west, at the circle's northmost point
    assert quarter["lat"] > first["lat"]
