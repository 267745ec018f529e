"""The Celery application: every task is bound to a company unless it says otherwise."""

from __future__ import annotations

import os

from tenants.celery import CompanyCelery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sera.settings")

app = CompanyCelery("sera")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
