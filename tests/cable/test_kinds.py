"""What streams keep, by kind."""

from __future__ import annotations

from pytest_django import Settings

from cable.kinds import history_of
from cable.store.interface import HistoryOptions


def test_first_pattern_that_matches_says_what_differs_from_all(settings: Settings) -> None:
    settings.CABLE = {
        "history_limit": 7,
        "history_seconds": 70.0,
        "history_meta_seconds": 700.0,
        "history": {
            "*.chat": {"limit": 500},
            "acme.*": {"seconds": 3.0},
            "acme.ticks": {"limit": 0},
            "*.ticks": {"limit": 0},
            "*.log": {"limit": 1, "seconds": 9_000.0},
        },
    }
    all_ = HistoryOptions(limit=7, seconds=70.0, meta_seconds=700.0)
    assert history_of("other") == all_
    assert history_of("acme.chat") == HistoryOptions(limit=500, seconds=70.0, meta_seconds=700.0)
    assert history_of("acme.jobs") == HistoryOptions(limit=7, seconds=3.0, meta_seconds=700.0)
    assert history_of("acme.ticks") == history_of("acme.jobs")  # the earlier pattern counts
    assert history_of("globex.ticks") is None
    # Epoch and offset never go before the messages.
    assert history_of("globex.log") == HistoryOptions(
        limit=1, seconds=9_000.0, meta_seconds=9_000.0
    )


def test_change_of_the_settings_is_seen(settings: Settings) -> None:
    settings.CABLE = {"history_limit": 0}
    assert history_of("stream") is None
    settings.CABLE = {"history_limit": 1}
    found = history_of("stream")
    assert found is not None
    assert found.limit == 1
