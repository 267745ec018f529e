"""The live map's channel on a running server: who sees what of its stream, and when."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from django.conf import settings
from websockets.sync.client import ClientConnection

from tenants.context import company_scope
from tests.live import WebServer, access_token, frames, perform, subscribe
from tests.world import Persona
from tracking.actions import record_fixes
from tracking.channels.map import load_positions
from tracking.fixes import FixForm, read_fix

EXTENDED = "actioncable-v1-ext-json"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
KARHULA = [26.9, 60.5, 27.0, 60.6]


def post(server: WebServer, persona: Persona, lon: float, lat: float, *, hour: int = 10) -> None:
    """A fix of the first technician, at a full hour: within one, they can be anywhere near."""
    fix = {
        "id": str(uuid.uuid4()),
        "recorded_at": f"2026-11-22T{hour}:00:00Z",
        "lat": lat,
        "lon": lon,
        "speed": 3.5,
    }
    with closing(server.phone_of(persona)) as phone:
        assert phone.post("/api/v1/fixes/", json=fix).json()["status"] == "stored"


@contextmanager
def socket_of(server: WebServer, persona: Persona) -> Iterator[ClientConnection]:
    with closing(server.phone_of(persona, persona.dispatcher)) as client:
        token = access_token(client)
    with server.cable_of(persona, token) as socket:
        assert frames(socket, 1)[0]["type"] == "welcome"
        yield socket


def watch(socket: ClientConnection, **params: Any) -> tuple[str, dict[str, Any]]:
    """Subscribe; the identifier and the snapshot."""
    identifier = subscribe(socket, "MapChannel", **params)
    confirmation, technicians, snapshot = frames(socket, 3)
    assert confirmation == {"type": "confirm_subscription", "identifier": identifier}
    assert technicians["message"]["type"] == "technicians"
    return identifier, places(snapshot, "snapshot")


def places(frame: dict[str, Any], kind: str) -> dict[str, list[float]]:
    """Technician → [lon, lat] of a frame."""
    message = frame["message"]
    assert message["type"] == kind, frame
    return {key: [item["lon"], item["lat"]] for key, item in message["items"].items()}


def test_a_viewer_is_told_who_there_is_then_where_they_are_then_what_changes(
    server: WebServer, acme: Persona
) -> None:
    post(server, acme, 26.93, 60.53)
    with socket_of(server, acme) as socket:
        subscribe(socket, "MapChannel")
        _, technicians, snapshot = frames(socket, 3)
        assert technicians["message"] == {
            "type": "technicians",
            "thresholds": {"delayed": 60, "stale": 300, "lost": 1800},
            "technicians": [
                {"id": 1, "name": f"Tess {acme.marker}", "initials": "TS", "color": "#2563eb"},
                {"id": 2, "name": f"Will {acme.marker}", "initials": "WS", "color": "#b45309"},
            ],
        }
        assert list(snapshot["message"]["items"]) == ["1"]
        body = snapshot["message"]["items"]["1"]
        assert body.pop("received_at").endswith("Z")
        expected = {
            "lat": 60.53,
            "lon": 26.93,
            "accuracy": None,
            "speed": 3.5,
            "heading": None,
            "battery": None,
            "recorded_at": "2026-11-22T10:00:00Z",
        }
        assert body == expected
        post(server, acme, 26.94, 60.54, hour=11)
        (frame,) = frames(socket, 1)
        assert frame["message"].pop("server_time").endswith("Z")
        change = frame["message"].pop("items")
        assert frame["message"] == {"type": "changes"}
        assert change["1"].pop("received_at").endswith("Z")
        later = {"lat": 60.54, "lon": 26.94, "recorded_at": "2026-11-22T11:00:00Z"}
        assert change == {"1": {**expected, **later}}


def test_a_viewport_shows_who_is_inside_who_comes_in_and_who_leaves(
    server: WebServer, acme: Persona
) -> None:
    post(server, acme, 26.93, 60.53)
    with socket_of(server, acme) as inside, socket_of(server, acme) as outside:
        assert watch(inside, viewport=KARHULA)[1] == {"1": [26.93, 60.53]}
        assert watch(outside, viewport=[24, 60, 25, 61])[1] == {}
        post(server, acme, 24.5, 60.5, hour=11)
        (left,) = frames(inside, 1)
        assert left["message"].pop("server_time")
        assert left["message"] == {"type": "changes", "items": {}, "removed": ["1"]}
        (came,) = frames(outside, 1)
        assert places(came, "changes") == {"1": [24.5, 60.5]}


def test_another_viewport_is_answered_with_its_snapshot(server: WebServer, acme: Persona) -> None:
    post(server, acme, 26.93, 60.53)
    with socket_of(server, acme) as socket:
        identifier, snapshot = watch(socket, viewport=KARHULA)
        assert snapshot == {"1": [26.93, 60.53]}
        for viewport, expected in (
            ([170, -20, -170, -10], {}),
            (None, {"1": [26.93, 60.53]}),
            ([24, 60, 25, 61], {}),
        ):
            perform(socket, identifier, "viewport", viewport=viewport)
            assert places(frames(socket, 1)[0], "snapshot") == expected
        # Karhula is in none of what is shown now.
        post(server, acme, 26.94, 60.54, hour=11)
        post(server, acme, 24.5, 60.5, hour=12)
        assert places(frames(socket, 1)[0], "changes") == {"1": [24.5, 60.5]}


def test_a_wrong_viewport_is_refused_and_the_old_one_stays(
    server: WebServer, acme: Persona
) -> None:
    with socket_of(server, acme) as socket:
        identifier, _ = watch(socket, viewport=KARHULA)
        perform(socket, identifier, "viewport", viewport=[0, 0, 181, 0])
        wrong = {
            "field": "viewport[2]",
            "value": 181,
            "message": "must be the eastern longitude, a number of degrees from -180 to 180",
        }
        refused = {"type": "refused", "action": "viewport", "errors": [wrong]}
        assert frames(socket, 1) == [{"identifier": identifier, "message": refused}]
        perform(socket, identifier, "viewport", bounds=[0, 0, 1, 1])
        missing = {
            "field": "viewport",
            "value": None,
            "message": "is required: [west, south, east, north] in degrees, "
            "or null for the whole map",
        }
        refused = {"type": "refused", "action": "viewport", "errors": [missing]}
        assert frames(socket, 1) == [{"identifier": identifier, "message": refused}]
        post(server, acme, 24.5, 60.5)
        post(server, acme, 26.93, 60.53, hour=11)
        assert places(frames(socket, 1)[0], "changes") == {"1": [26.93, 60.53]}


def test_a_subscription_with_a_wrong_viewport_is_rejected_and_the_log_says_why(
    server: WebServer, acme: Persona
) -> None:
    before = len(server.log.read_text())
    with socket_of(server, acme) as socket:
        identifier = subscribe(socket, "MapChannel", viewport=[0, 61, 1, 60])
        assert frames(socket, 1) == [{"type": "reject_subscription", "identifier": identifier}]
        # The socket goes on, and so does whoever asks for something right.
        assert watch(socket, viewport=[0, 60, 1, 61])[1] == {}
    said = server.log.read_text()[before:]
    assert (
        "<socket of acme:2> sent viewport[1] 61.0: it must be south of viewport[3], "
        "which is 60.0, or equal to it"
    ) in said


def test_who_comes_back_with_a_session_is_told_the_whole_map_again(
    server: WebServer, acme: Persona
) -> None:
    """AnyCable's client: the server takes its subscription up, and it asks for no more."""
    with closing(server.phone_of(acme, acme.dispatcher)) as client:
        token = access_token(client)
    with server.cable_of(acme, token, protocol=EXTENDED) as first:
        (welcome,) = frames(first, 1)
        identifier, snapshot = watch(first, viewport=KARHULA)
        assert snapshot == {}
    post(server, acme, 26.93, 60.53)
    with redis.Redis.from_url(settings.REDIS_URL) as store:
        session = f"*:session:{welcome['sid']}"
        server.wait_for(lambda: bool(store.keys(session)), "a saved session")
    sid = {"X-ANYCABLE-RESTORE-SID": welcome["sid"]}
    with server.cable_of(acme, token, protocol=EXTENDED, **sid) as second:
        (again,) = frames(second, 1)
        assert (again["restored"], again["restored_ids"]) == (True, [identifier])
        request = {"since": 0, "streams": {}}
        command = {"command": "history", "identifier": identifier, "history": request}
        second.send(json.dumps(command))
        technicians, confirmed, told = frames(second, 3)
        assert technicians["message"]["type"] == "technicians"
        assert confirmed == {"type": "confirm_history", "identifier": identifier}
        assert places(told, "snapshot") == {"1": [26.93, 60.53]}


@pytest.mark.usefixtures("committed")
def test_a_load_reads_the_company_of_its_stream(acme: Persona, globex: Persona) -> None:
    """Whatever company the code around it is bound to, or that it follows on its thread."""

    def fix(lat: float) -> FixForm:
        item = {"id": str(uuid.uuid4()), "recorded_at": "2026-11-22T10:00:00Z", "lat": lat}
        return read_fix({**item, "lon": 1.0}, technician_id=1, now=NOON)

    for persona, lat in ((acme, 1.5), (globex, 2.5)):
        with company_scope(persona.schema):
            record_fixes(technician_id=1, fixes=[fix(lat)])

    async def lats(schema: str) -> dict[str, float]:
        state = await load_positions(schema)
        return {key: position.lat for key, (_, position) in state.items()}

    with company_scope("globex"):
        for _ in range(3):
            assert asyncio.run(lats("acme")) == {"1": 1.5}
            assert asyncio.run(lats("globex")) == {"1": 2.5}
