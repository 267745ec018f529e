"""Kinds of streams: what each keeps for those who come back."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from django.core.signals import setting_changed

from cable.conf import get_settings
from cable.store.interface import HistoryOptions


@lru_cache(maxsize=10_000)
def history_of(stream: str) -> HistoryOptions | None:
    """What a stream keeps, or None when it keeps nothing."""
    settings = get_settings()
    limit, seconds = settings.history_limit, settings.history_seconds
    for pattern, rule in settings.history.items():
        if fnmatchcase(stream, pattern):
            limit = limit if rule.limit is None else rule.limit
            seconds = seconds if rule.seconds is None else rule.seconds
            break
    if limit == 0:
        return None
    return HistoryOptions(
        limit=limit, seconds=seconds, meta_seconds=max(seconds, settings.history_meta_seconds)
    )


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "CABLE":
        history_of.cache_clear()


setting_changed.connect(_forget)
