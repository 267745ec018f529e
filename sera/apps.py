"""Loads the Celery application with Django, so that `@shared_task` binds to it everywhere."""

from __future__ import annotations

from django.apps import AppConfig


class SeraConfig(AppConfig):
    name = "sera"
    label = "sera"

    def ready(self) -> None:
        import sera.celery  # noqa: F401  (imported for its effect)
