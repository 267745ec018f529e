"""A position's state by its age."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tracking.freshness import Thresholds, position_age, position_state

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("age", "state"),
    [
        (None, "none"),
        (0, "live"),
        (59.999, "live"),
        (60, "delayed"),
        (299.999, "delayed"),
        (300, "stale"),
        (1799.999, "stale"),
        (1800, "lost"),
        (1e9, "lost"),
    ],
)
def test_a_state_begins_at_its_threshold(age: float | None, state: str) -> None:
    assert position_state(age, Thresholds(60, 300, 1800)) == state


def test_a_company_has_its_own_thresholds() -> None:
    own = Thresholds(5, 10, 20)
    assert [position_state(age, own) for age in (4, 5, 10, 20)] == [
        "live",
        "delayed",
        "stale",
        "lost",
    ]


@pytest.mark.parametrize(("seconds", "age"), [(90.5, 90.5), (0, 0), (-30, 0)])
def test_a_phone_that_is_ahead_reported_just_now(seconds: float, age: float) -> None:
    assert position_age(NOW - timedelta(seconds=seconds), NOW) == age
