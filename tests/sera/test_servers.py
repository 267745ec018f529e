"""Both servers serve HTTP and the cable: uvicorn for real use, Daphne behind `runserver`."""

from __future__ import annotations

import os
import signal
import uuid
from pathlib import Path

import pytest

from tests.live import SERVERS, WebServer, access_token, frames, subscribe
from tests.world import Persona


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.usefixtures("committed")
def test_a_posted_fix_reaches_a_viewer(
    kind: str, acme: Persona, database_url: str, tmp_path: Path
) -> None:
    server = WebServer(
        tmp_path / "log", kind=kind, environment={"DATABASE_URL": database_url, "DEBUG": "true"}
    )
    server.start()
    try:
        phone = server.phone_of(acme)
        token = access_token(server.phone_of(acme, acme.dispatcher))
        with server.cable_of(acme, token) as viewer:
            assert frames(viewer, 1)[0]["type"] == "welcome"
            identifier = subscribe(viewer, "MapChannel")
            confirmation, technicians, snapshot = frames(viewer, 3)
            assert confirmation == {"type": "confirm_subscription", "identifier": identifier}
            assert [t["id"] for t in technicians["message"]["technicians"]] == [1, 2]
            assert snapshot["message"].pop("server_time")
            assert snapshot["message"] == {"type": "snapshot", "items": {}}

            fix = {
                "id": str(uuid.uuid4()),
                "recorded_at": "2026-11-22T10:00:00Z",
                "lat": 40.7128,
                "lon": -74.006,
            }
            assert phone.post("/api/v1/fixes/", json=fix).status_code == 201
            (change,) = frames(viewer, 1)
            ((technician, position),) = change["message"]["items"].items()
            assert technician == str(acme.technician_id)
            assert (position["lat"], position["lon"]) == (40.7128, -74.006)
    finally:
        assert server.stop() == 0, server.log.read_text()


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.usefixtures("committed")
def test_a_server_that_ends_says_so_and_sends_its_viewers_elsewhere(
    kind: str, acme: Persona, database_url: str, tmp_path: Path
) -> None:
    environment = {"DATABASE_URL": database_url, "DRAIN_NOTICE_SECONDS": "4"}
    server = WebServer(tmp_path / "log", kind=kind, environment=environment)
    server.start()
    try:
        token = access_token(server.phone_of(acme, acme.dispatcher))
        with server.cable_of(acme, token) as viewer, server.client_of(acme) as client:
            assert frames(viewer, 1)[0]["type"] == "welcome"
            assert client.get("/readyz").status_code == 200
            os.kill(server.pid, signal.SIGTERM)
            server.wait_for(lambda: client.get("/readyz").status_code == 503, "a red /readyz")
            assert client.get("/readyz").json() == {"status": "draining"}
            assert client.get("/healthz").status_code == 200
            assert frames(viewer, 1) == [
                {"type": "disconnect", "reason": "server_restart", "reconnect": True}
            ]
        assert server.wait() == 0, server.log.read_text()
    finally:
        server.stop()
