"""Beat, broker and worker as real processes."""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from celery import current_app
from django.contrib.sessions.models import Session
from django.utils import timezone

from dispatch.models import PhoneSession
from tenants.context import company_scope
from tests.live import Process, WebServer, access_token, frames, subscribe
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


@pytest.mark.usefixtures("committed")
def test_a_task_in_a_worker_s_child_reaches_a_viewer_of_its_company(
    acme: Persona, globex: Persona, server: WebServer, database_url: str, tmp_path: Path
) -> None:
    worker = Process(
        ["-m", "celery", "-A", "sera.celery:app", "worker", "--pool=prefork", "--concurrency=1"],
        tmp_path / "worker",
        {"DATABASE_URL": database_url, "DJANGO_SETTINGS_MODULE": "tests.sera.moving_settings"},
    )
    viewers = []
    worker.start()
    with ExitStack() as stack:
        stack.callback(worker.stop)
        for persona in (acme, globex):
            token = access_token(server.phone_of(persona, persona.dispatcher))
            viewers.append(stack.enter_context(server.cable_of(persona, token)))
            assert frames(viewers[-1], 1)[0]["type"] == "welcome"
            subscribe(viewers[-1], "MapChannel")
            assert frames(viewers[-1], 3)[-1]["message"]["items"] == {}
        # The companies' technicians have the same ids.
        for persona, version in ((globex, 7), (acme, 9)):
            current_app.send_task(
                "tests.sera.moving_tasks.move",
                args=[str(persona.technician_id), version],
                headers={"_schema_name": persona.schema},
            )
        for persona, viewer in zip((acme, globex), viewers, strict=True):
            (change,) = frames(viewer, 1)
            position = {"lat": 1.5, "lon": 2.5}
            assert change["message"]["items"] == {str(persona.technician_id): position}
        assert worker.stop() == 0
    assert "ERROR" not in worker.log.read_text()
