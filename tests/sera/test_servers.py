"""Both servers serve HTTP and the cable: uvicorn for real use, Daphne behind `runserver`."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.live import SERVERS, WebServer
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
        dispatcher = server.phone_of(acme, acme.dispatcher)
        token = dispatcher.headers["Authorization"].removeprefix("Bearer ")
        with connect(
            f"ws://127.0.0.1:{server.port}/cable?jid={token}",
            additional_headers={"Host": acme.host},
            subprotocols=["actioncable-v1-json"],
        ) as socket:
            assert json.loads(socket.recv(10))["type"] == "welcome"
            identifier = json.dumps({"channel": "MapChannel"})
            socket.send(json.dumps({"command": "subscribe", "identifier": identifier}))
            frames = _without_pings(socket, 2)
            assert frames[0] == {"type": "confirm_subscription", "identifier": identifier}
            snapshot = frames[1]["message"]
            assert snapshot["type"] == "snapshot"
            assert [t["position"] for t in snapshot["technicians"]] == [None, None]

            fix = {
                "id": str(uuid.uuid4()),
                "recorded_at": "2026-11-22T10:00:00Z",
                "lat": 40.7128,
                "lon": -74.006,
            }
            assert phone.post("/api/v1/fixes/", json=fix).status_code == 201
            (change,) = _without_pings(socket, 1)
            (position,) = change["message"]["positions"]
            assert position["technician_id"] == acme.technician_id
            assert (position["lat"], position["lon"]) == (40.7128, -74.006)
    finally:
        server.stop()


def _without_pings(socket: object, count: int) -> list[dict]:  # type: ignore[type-arg]
    frames: list[dict] = []  # type: ignore[type-arg]
    while len(frames) < count:
        frame = json.loads(socket.recv(10))  # type: ignore[attr-defined]
        if frame.get("type") != "ping":
            frames.append(frame)
    return frames
