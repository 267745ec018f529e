"""The Celery application: every task is bound to a company unless it says otherwise."""

from __future__ import annotations

import os
from typing import Any

from celery.signals import worker_process_shutdown

from cable import flush_broadcasts
from tenants.celery import CompanyCelery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sera.settings")

app = CompanyCelery("sera")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_shutdown.connect
def _send_what_waits(**_: Any) -> None:
    """A worker's child ends without the interpreter's exit handlers."""
    flush_broadcasts()
