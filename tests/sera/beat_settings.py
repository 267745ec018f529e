"""The tests' settings with a schedule that does not take an hour."""

from __future__ import annotations

from datetime import timedelta

from tests.settings import *  # noqa: F403
from tests.settings import CELERY_BEAT_SCHEDULE

for entry in CELERY_BEAT_SCHEDULE.values():
    entry["schedule"] = timedelta(seconds=1)
DISPATCH_WINDOW_SECONDS = 1
