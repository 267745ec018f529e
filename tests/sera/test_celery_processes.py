"""Beat, broker and worker as real processes."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from dispatch.models import PhoneSession
from tenants.context import company_scope
from tests.live import Process
from tests.world import Persona


@pytest.mark.usefixtures("committed")
def test_beat_has_every_company_s_expired_sign_ins_deleted(
    acme: Persona, globex: Persona, database_url: str, tmp_path: Path
) -> None:
    now = timezone.now()
    for persona in (acme, globex):
        with company_scope(persona.schema):
            for days in (-1, 1):
                end = now + timedelta(days=days)
                Session.objects.create(session_key=f"{days:+}", session_data="", expire_date=end)
                PhoneSession.objects.create(
                    user_id=persona.owner_id,
                    current=uuid.uuid4().hex,
                    rotated_at=now,
                    expires_at=end,
                )
    environment = {
        "DATABASE_URL": database_url,
        "DJANGO_SETTINGS_MODULE": "tests.sera.beat_settings",
    }
    celery = ["-m", "celery", "-A", "sera.celery:app"]
    worker = Process(
        [*celery, "worker", "--pool=prefork", "--concurrency=1"], tmp_path / "worker", environment
    )
    beat = Process(
        [*celery, "beat", f"--schedule={tmp_path / 'schedule'}"], tmp_path / "beat", environment
    )

    def left() -> list[tuple[list[str], int]]:
        rows = []
        for persona in (acme, globex):
            with company_scope(persona.schema):
                keys = sorted(Session.objects.values_list("session_key", flat=True))
                rows.append((keys, PhoneSession.objects.count()))
        return rows

    assert left() == [(["+1", "-1"], 2)] * 2
    worker.start()
    beat.start()
    try:
        worker.wait_for(lambda: left() == [(["+1"], 1)] * 2, "deleting the expired sign-ins")
    finally:
        beat.stop()
        worker.stop()
    assert "ERROR" not in worker.log.read_text()
