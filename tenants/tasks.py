"""The platform's own background work."""

from __future__ import annotations

import zlib

from celery import current_app, shared_task
from django.conf import settings

from tenants.celery import SCHEMA_HEADER, PlatformTask
from tenants.queries import ready_schemas


@shared_task(base=PlatformTask)
def dispatch_to_companies(task_name: str) -> int:
    """Ask for `task_name` once for each company in service; returns how many.

    Beat calls this one task rather than one per company. Each company has its own fixed
    moment within DISPATCH_WINDOW_SECONDS.
    """
    schemas = ready_schemas()
    for schema in schemas:
        current_app.tasks[task_name].apply_async(
            headers={SCHEMA_HEADER: schema},
            countdown=zlib.crc32(schema.encode()) % settings.DISPATCH_WINDOW_SECONDS,
        )
    return len(schemas)
