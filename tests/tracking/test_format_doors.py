"""The doors under `/ingest/`, asked over HTTP as the apps do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.live import WebServer, access_token, frames, subscribe
from tests.tracking.payloads import osmand_requests, payload
from tests.tracking.phones import basic, bearer, key_of, send, stored
from tests.world import Persona

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ONE = "/ingest/osmand/?timestamp=1795341600&lat=60.5&lon=26.9"


@pytest.fixture
def key(server: WebServer, acme: Persona) -> str:
    return key_of(acme)


# --- Each format


def test_transistorsoft(server: WebServer, acme: Persona, key: str) -> None:
    def post(name: str) -> Any:
        answer = send(
            server,
            acme,
            "POST",
            "/ingest/transistorsoft/",
            content=payload(name),
            headers=bearer(key) | JSON,
        )
        assert answer.status_code == 200
        return answer.json()

    batch = post("transistorsoft-batch")
    first, sample, wrong, last = batch.pop("results")
    assert batch.pop("profile")["mode"] == "coarse"
    assert [command for command, *_ in batch.pop("background_geolocation")] == ["setConfig"]
    assert batch == {"stored": 2, "duplicate": 0, "refused": 0, "rejected": 1}
    assert first == {
        "index": 0,
        "id": "7d1f7b52-9c0d-4a6b-8a35-bb8d8c0e5a11",
        "status": "stored",
    }
    assert sample == {"index": 1, "id": None, "status": "ignored"}
    assert wrong == {
        "index": 2,
        "id": None,
        "status": "rejected",
        "errors": [
            {
                "field": "coords.latitude",
                "value": None,
                "message": "is required: a number of degrees from -90 to 90",
            }
        ],
    }
    assert (last["index"], last["status"]) == (3, "stored")
    again = post("transistorsoft-batch")
    assert (again["stored"], again["duplicate"], again["rejected"]) == (0, 2, 1)
    assert post("transistorsoft-single")["stored"] == 1
    assert stored(acme) == [
        (1, 60.532511, 26.940207, "10:00:00"),
        (1, 60.53, 26.94, "10:00:00"),
        (1, 60.5325, 26.9425, "10:00:09"),
    ]


def test_owntracks(server: WebServer, acme: Persona, key: str) -> None:
    for body in (
        payload("owntracks-ios"),
        payload("owntracks-ios"),
        payload("owntracks-android"),
        payload("owntracks-transition"),
        payload("owntracks-waypoints"),
        b"",
        b'{"_type": "location", "lat": 91, "lon": 0, "tst": 1795341600}',
    ):
        answer = send(
            server, acme, "POST", "/ingest/owntracks/", content=body, headers=basic(key) | JSON
        )
        assert (answer.status_code, answer.json()) == (200, [])
    assert stored(acme) == [(1, 60.532, 26.94, "10:00:00"), (1, 60.5326, 26.9404, "10:01:39")]


def test_overland(server: WebServer, acme: Persona, key: str) -> None:
    for name in ("overland-batch", "overland-batch", "overland-visit"):
        answer = send(
            server,
            acme,
            "POST",
            f"/ingest/overland/?key={key}",
            content=payload(name),
            headers=JSON,
        )
        assert (answer.status_code, answer.json()) == (200, {"result": "ok"})
    assert stored(acme) == [
        (1, 60.532511, 26.940207, "10:00:00"),
        (1, 60.53, 26.94, "10:00:05"),
        (1, 60.5301, 26.9401, "10:00:08"),
    ]


def test_osmand(server: WebServer, acme: Persona, key: str) -> None:
    for request in osmand_requests() * 2:
        method = "POST" if request["form"] else "GET"
        answer = send(
            server,
            acme,
            method,
            f"/ingest/osmand/?{request['query']}&key={key}",
            content=request["form"],
            headers=FORM,
        )
        assert (answer.status_code, answer.text) == (200, "OK")
        assert answer.headers["content-type"] == "text/plain"
    assert sorted(stored(acme)) == [
        (1, -33.86, 151.21, "10:00:00"),
        (1, 60.5, 26.9, "10:00:00"),
        (1, 60.53, 26.94, "10:00:00"),
        (1, 60.532511, 26.940207, "10:00:00"),
    ]


def test_json_at_osmand_s_door_is_traccar_client_s(
    server: WebServer, acme: Persona, key: str
) -> None:
    body = json.loads(payload("traccar-client")) | {"device_id": key}
    answer = send(server, acme, "POST", "/ingest/osmand", json=body)
    assert (answer.status_code, answer.json()["stored"]) == (200, 1)
    assert stored(acme) == [(1, 60.5351, 26.9411, "10:05:00")]


def test_what_comes_in_moves_the_marker(server: WebServer, acme: Persona, key: str) -> None:
    with server.cable_of(acme, access_token(server.phone_of(acme, acme.dispatcher))) as viewer:
        frames(viewer, 1)
        subscribe(viewer, "MapChannel")
        assert frames(viewer, 3)[-1]["message"]["items"] == {}
        assert send(server, acme, "GET", f"{ONE}&id={key}").status_code == 200
        ((technician, position),) = frames(viewer, 1)[0]["message"]["items"].items()
    assert (technician, position["lat"], position["lon"]) == ("1", 60.5, 26.9)


# --- What else may come


@pytest.mark.parametrize("form", ["transistorsoft", "owntracks", "overland", "osmand"])
def test_other_methods(server: WebServer, acme: Persona, key: str, form: str) -> None:
    others = ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"] + ["GET"] * (form != "osmand")
    for method in others:
        for path in (f"/ingest/{form}/", f"/ingest/{form}"):
            answer = send(server, acme, method, f"{path}?key={key}")
            assert answer.status_code == 405
            assert answer.headers["allow"] == ("GET, POST" if form == "osmand" else "POST")
    assert stored(acme) == []


def test_bodies_that_are_none(server: WebServer, acme: Persona, key: str) -> None:
    for form in ("transistorsoft", "owntracks", "overland"):
        for body in (b"{", b"\xff\xfe", b"[" * 100_000):
            path = f"/ingest/{form}/"
            answer = send(server, acme, "POST", path, content=body, headers=bearer(key))
            assert answer.status_code == 400, (form, body[:9])
            assert answer.json()["errors"][0]["field"] == "body"
            assert send(server, acme, "POST", path, content=body).status_code == 401
    many = "&".join(f"a{number}=1" for number in range(201))
    answer = send(server, acme, "GET", f"/ingest/osmand/?{many}", headers=bearer(key))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "body")


def test_a_batch_larger_than_the_native_one_is_stored_whole(
    server: WebServer, acme: Persona, key: str
) -> None:
    """An SDK that was offline for a day sends all in one; refused, it would send it for ever."""
    batch = [
        {"timestamp": 1795341600 + second, "coords": {"latitude": 60, "longitude": 27}}
        for second in range(2_500)
    ]
    answer = send(
        server,
        acme,
        "POST",
        "/ingest/transistorsoft/",
        json={"location": batch},
        headers=bearer(key),
    )
    assert (answer.status_code, answer.json()["stored"]) == (200, 2_500)
    assert len(stored(acme)) == 2_500
    answer = send(
        server,
        acme,
        "POST",
        "/ingest/transistorsoft/",
        content=b"[" + b"7," * 5000 + b"7]",
        headers=bearer(key),
    )
    assert answer.status_code == 413


def test_hosts_of_no_company(server: WebServer, acme: Persona, key: str) -> None:
    for host, status in (("nobody.localhost", 404), ("localhost", 404)):
        answer = send(server, acme, "POST", f"{ONE}&key={key}", headers={"Host": host})
        assert answer.status_code == status
    assert stored(acme) == []


def test_no_key_is_logged(server: WebServer, acme: Persona, key: str) -> None:
    send(server, acme, "GET", f"{ONE}&key={key}&lat=91")
    send(server, acme, "GET", ONE, headers=bearer(key[:-1]))
    assert key[33:-1] not in server.log.read_text()
