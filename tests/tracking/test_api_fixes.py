"""Posting fixes: what is wrong is named, and what is right is stored."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from dispatch.models import Technician
from tenants.context import company_scope
from tests.isolation.evidence import nothing_happens
from tests.tracking.wrong_fixes import GOOD, ID, WRONG
from tests.world import Persona
from tracking.models import Fix

pytestmark = pytest.mark.django_db


@pytest.fixture
def phone(phone_of: Callable[..., Client], acme: Persona) -> Client:
    return phone_of(acme)


def post(phone: Client, body: Any) -> Any:
    """`body` as JSON, or as it is where it is bytes."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return phone.generic("POST", "/api/v1/fixes/", raw, "application/json")


def stored() -> int:
    with company_scope("acme"):
        return Fix.objects.count()


def a_fix(**changes: Any) -> dict[str, Any]:
    return {**GOOD, "id": str(uuid.uuid4()), **changes}


CASES = pytest.mark.parametrize(
    ("body", "field", "value", "message"),
    [case[1:] for case in WRONG],
    ids=[case[0] for case in WRONG],
)


@CASES
def test_a_wrong_fix_is_refused_by_name(
    body: Any, field: str, value: Any, message: str, phone: Client
) -> None:
    with nothing_happens():
        response = post(phone, body)
    assert (response.status_code, response.json()) == (
        400,
        {"errors": [{"field": field, "value": value, "message": message}]},
    )


@CASES
def test_a_wrong_item_blocks_no_good_one(
    body: Any, field: str, value: Any, message: str, phone: Client
) -> None:
    first, last = a_fix(), a_fix(recorded_at="2026-11-22T10:00:05Z")
    response = post(phone, [first, body, last])
    assert response.status_code == 200
    answer = response.json()
    assert [answer[key] for key in ("stored", "duplicate", "rejected")] == [2, 0, 1]
    assert [result["status"] for result in answer["results"]] == ["stored", "rejected", "stored"]
    assert answer["results"][1]["index"] == 1
    assert answer["results"][1]["errors"] == [{"field": field, "value": value, "message": message}]
    assert stored() == 2


@pytest.mark.parametrize(
    "recorded_at", ["3000-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"]
)
def test_a_clock_that_is_far_out_is_told_the_bounds(recorded_at: str, phone: Client) -> None:
    with nothing_happens():
        response = post(phone, {**GOOD, "recorded_at": recorded_at})
    (error,) = response.json()["errors"]
    assert (response.status_code, error["field"], error["value"]) == (
        400,
        "recorded_at",
        recorded_at,
    )
    assert error["message"].startswith("must lie between 2000-05-02 and 20")
    assert error["message"].endswith("Z, a day from now; check the phone's clock")


@pytest.mark.parametrize(
    ("recorded_at", "status"),
    [(timedelta(hours=23), 201), (timedelta(hours=25), 400), (timedelta(seconds=0), 201)],
)
def test_a_clock_may_run_a_day_ahead(recorded_at: timedelta, status: int, phone: Client) -> None:
    moment = (timezone.now() + recorded_at).isoformat()
    assert post(phone, {**GOOD, "recorded_at": moment}).status_code == status


def test_several_values_that_are_no_numbers_are_all_named(phone: Client) -> None:
    body = {**GOOD, "lat": float("nan"), "lon": float("inf"), "speed": float("nan")}
    assert [error["field"] for error in post(phone, body).json()["errors"]] == [
        "lat",
        "lon",
        "speed",
    ]


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"", ""),
        (b"{", "{"),
        (b"lat=1&lon=2", "lat=1&lon=2"),
        (b"<fix/>", "<fix/>"),
        (b'{"id": 1}{"id": 2}', '{"id": 1}{"id": 2}'),
        (b"{'id': 1}", "{'id': 1}"),
        (b"\xff\xfe\x00", "��\x00"),
        (b"\x1f\x8b\x08\x00", "\x1f�\x08\x00"),
        (b"[" + b"1," * 400, "[" + "1," * 39 + "1…"),
    ],
)
def test_a_body_that_is_no_json(body: bytes, value: str, phone: Client) -> None:
    with nothing_happens():
        response = post(phone, body)
    (error,) = response.json()["errors"]
    assert (response.status_code, error["field"], error["value"]) == (400, "body", value)
    assert error["message"].startswith("is not JSON (")
    assert error["message"].endswith("); send one fix as an object, or several in an array")


@pytest.mark.parametrize("depth", [100, 900, 990, 1010, 5000, 100_000])
@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"lat":'])
def test_deep_nesting_is_refused(opening: bytes, depth: int, phone: Client) -> None:
    closing = {b"[": b"]", b'{"a":': b"}", b'[{"lat":': b"}]"}[opening]
    with nothing_happens():
        response = post(phone, opening * depth + b"1" + closing * depth)
    if response.status_code == 200:  # an array of what is no fix, shallow enough to be read
        assert response.json()["stored"] == 0
    else:
        assert response.status_code == 400
        assert response.json()["errors"]


def test_an_empty_array_is_nothing_to_do(phone: Client) -> None:
    with nothing_happens():
        response = post(phone, [])
    assert (response.status_code, response.json()) == (
        200,
        {
            "results": [],
            "stored": 0,
            "duplicate": 0,
            "refused": 0,
            "rejected": 0,
            "profile": {
                "mode": "coarse",
                "distance_filter": 100,
                "interval": 60,
                "upload_interval": 120,
            },
        },
    )


def test_fields_that_nobody_knows_are_ignored(phone: Client) -> None:
    body = {**GOOD, "extras": {"a": [1, 2]}, "received_at": "1999-01-01T00:00:00Z", "": 1}
    assert post(phone, body).status_code == 201
    with company_scope("acme"):
        assert Fix.objects.get().received_at > datetime(2026, 1, 1, tzinfo=UTC)


def test_of_a_key_that_comes_twice_the_last_one_counts(phone: Client) -> None:
    raw = json.dumps(GOOD)[:-1] + ', "lat": 10.5}'
    assert post(phone, raw.encode()).status_code == 201
    with company_scope("acme"):
        assert Fix.objects.get().lat == 10.5


def test_whole_numbers_are_numbers(phone: Client) -> None:
    assert post(phone, {**GOOD, "lat": 40, "lon": -74, "speed": 0, "battery": 1}).status_code == 201
    with company_scope("acme"):
        fix = Fix.objects.get()
        assert (fix.lat, fix.lon, fix.speed, fix.battery) == (40.0, -74.0, 0.0, 1.0)


@pytest.mark.parametrize("lat", [90, -90.0, 0, 5e-324, 40.712800000000001])
def test_the_edges_are_right(lat: float, phone: Client) -> None:
    assert post(phone, {**GOOD, "lat": lat, "lon": 180, "heading": 360}).status_code == 201
    with company_scope("acme"):
        assert Fix.objects.get().lat == lat


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "image/png", ""]
)
def test_the_body_decides_and_not_its_label(content_type: str, phone: Client) -> None:
    """`curl -d` labels what it sends as a form."""
    good = phone.generic("POST", "/api/v1/fixes/", json.dumps(GOOD), content_type)
    assert (good.status_code, good.json()["status"]) == (201, "stored")
    bad = phone.generic("POST", "/api/v1/fixes/", "lat=1", content_type)
    assert (bad.status_code, bad.json()["errors"][0]["field"]) == (400, "body")


def test_a_form_with_parts_is_no_fix(phone: Client) -> None:
    with nothing_happens():
        response = phone.post("/api/v1/fixes/", GOOD)  # multipart/form-data
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "body")


# --- Once


def test_the_answers_to_one_fix(phone: Client) -> None:
    for status, word in ((201, "stored"), (200, "duplicate"), (200, "duplicate")):
        response = post(phone, GOOD)
        answer = response.json()
        assert answer.pop("profile")["mode"] == "coarse"
        assert (response.status_code, answer) == (status, {"id": ID, "status": word})
    assert stored() == 1


def test_one_id_in_other_letters_is_one_fix(phone: Client) -> None:
    assert post(phone, GOOD).status_code == 201
    for same in (ID.upper(), ID.replace("-", "")):
        response = post(phone, {**GOOD, "id": same})
        answer = response.json()
        assert (response.status_code, answer["id"], answer["status"]) == (200, ID, "duplicate")


def test_a_batch_with_three_wrong_items_and_again(phone: Client) -> None:
    start = datetime(2026, 11, 22, 10, tzinfo=UTC)
    batch = [a_fix(recorded_at=(start + timedelta(seconds=n)).isoformat()) for n in range(500)]
    batch[0]["lat"], batch[250]["recorded_at"], batch[499] = 91, "yesterday", None  # type: ignore[call-overload]
    for counts in ([497, 0, 3], [0, 497, 3]):
        answer = post(phone, batch).json()
        assert [answer[key] for key in ("stored", "duplicate", "rejected")] == counts
        assert [result["index"] for result in answer["results"]] == list(range(500))
        named = {
            result["index"]: [error["field"] for error in result["errors"]]
            for result in answer["results"]
            if result["status"] == "rejected"
        }
        assert named == {0: ["lat"], 250: ["recorded_at"], 499: ["fix"]}
        assert [result["id"] for result in answer["results"]] == [
            item and item["id"] for item in batch
        ]
        assert stored() == 497


def test_one_id_twice_in_a_batch(phone: Client) -> None:
    number = str(uuid.uuid4())
    answer = post(phone, [a_fix(id=number, lat=1), a_fix(id=number, lat=2)]).json()
    assert [result["status"] for result in answer["results"]] == ["stored", "duplicate"]
    assert [answer[key] for key in ("stored", "duplicate", "rejected")] == [1, 1, 0]
    with company_scope("acme"):
        assert Fix.objects.get().lat == 1.0


def test_an_id_is_repeated_no_longer_than_any_other_value(phone: Client) -> None:
    answer = post(phone, [a_fix(id="x" * 100_000), a_fix(id="\ud800")])
    assert answer.status_code == 200
    assert [result["id"] for result in answer.json()["results"]] == ["x" * 80 + "…", "\\ud800"]


# --- Whose


def test_the_office_posts_no_fixes(phone_of: Callable[..., Client], acme: Persona) -> None:
    for email in (acme.owner, acme.dispatcher):
        phone = phone_of(acme, email)
        with nothing_happens():
            response = post(phone, GOOD)
        assert (response.status_code, response.json()) == (
            403,
            {
                "detail": f"{email} is no technician in service; "
                "only a technician's own phone posts fixes",
                "code": "not_a_technician",
            },
        )


def test_a_technician_out_of_service_posts_none(phone: Client, acme: Persona) -> None:
    with company_scope(acme.schema):
        Technician.objects.filter(pk=acme.technician_id).update(is_active=False)
    with nothing_happens():
        for body in (GOOD, [GOOD], b"nonsense"):
            response = post(phone, body)
            assert (response.status_code, response.json()["code"]) == (403, "not_a_technician")
            assert acme.technician in response.json()["detail"]


def test_a_bad_token_is_refused_before_the_body_is_read(acme: Persona) -> None:
    client = Client(HTTP_HOST=acme.host, headers={"Authorization": "Bearer x.y.z"})
    with nothing_happens():
        for body in (GOOD, b"nonsense", b" " * 3_000_000):
            response = post(client, body)
            assert (response.status_code, response.json()["code"]) == (401, "token_invalid")
