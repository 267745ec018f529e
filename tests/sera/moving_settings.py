"""The tests' settings with a task of their own."""

from __future__ import annotations

from tests.settings import *  # noqa: F403

CELERY_IMPORTS = ["tests.sera.moving_tasks"]
