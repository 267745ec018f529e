"""Everything that is stored of one person, as a stream of a running server."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from django.test import Client
from django.utils import timezone

from dispatch.models import Technician
from tenants.context import company_scope
from tests.isolation.evidence import nothing_happens
from tests.live import WebServer
from tests.tracking.past import fix
from tests.world import Persona
from tracking.models import Viewing

PhoneOf = Callable[..., Client]
URL = "/api/v1/technicians/1/positions/export/"
FIRST, SECOND = UUID(int=1), UUID(int=2)

COLUMNS = (
    "id,recorded_at,received_at,lat,lon,accuracy,speed,heading,altitude,battery,charging,"
    "activity,mock,reason"
)


def two_fixes() -> None:
    fix(
        "2026-11-20T10:00:00.000001Z",
        id=FIRST,
        lat=0.1,
        lon=-74.000000000000014,
        accuracy=4.5,
        speed=0.0,
        heading=90.0,
        altitude=-3.25,
        battery=0.5,
        charging=False,
        activity="=HYPERLINK(“é”), 2",
        mock=True,
        reason="mock",
    )
    fix("2026-11-20T10:00:01Z", id=SECOND)


def many(database_url: str, schema: str, count: int, lat: float) -> None:
    """So many fixes of the first technician, a second apart; four of each moment."""
    with psycopg.connect(database_url) as database:
        database.execute(
            f"INSERT INTO {schema}.tracking_fix"
            " (technician_id, id, recorded_at, received_at, lat, lon, activity)"
            " SELECT 1, gen_random_uuid(), timestamptz '2026-11-20Z' + number / 4 * interval '1s',"
            " now(), %s, 2 + number %% 4 / 1e6, 'walking' FROM generate_series(1, %s) number",
            [lat, count],
        )


@pytest.fixture
def owner(server: WebServer, acme: Persona) -> Iterator[httpx.Client]:
    with closing(server.phone_of(acme, acme.owner)) as client:
        yield client


def lines(response: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in response.text.splitlines()]


def test_each_fix_is_a_line_with_its_verdict(owner: httpx.Client, acme: Persona) -> None:
    with company_scope(acme.schema):
        two_fixes()
        fix("2026-11-20T10:00:00Z", technician=2)
    response = owner.get(URL)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/x-ndjson"
    assert response.headers["content-disposition"] == 'attachment; filename="positions-1.ndjson"'
    assert response.headers["cache-control"] == "no-store"
    unknown = ("accuracy", "speed", "heading", "altitude", "battery", "charging")
    assert lines(response) == [
        {
            "id": str(FIRST),
            "recorded_at": "2026-11-20T10:00:00.000001Z",
            "received_at": "2026-11-20T10:00:00.000001Z",
            "lat": 0.1,
            "lon": -74.000000000000014,
            "accuracy": 4.5,
            "speed": 0.0,
            "heading": 90.0,
            "altitude": -3.25,
            "battery": 0.5,
            "charging": False,
            "activity": "=HYPERLINK(“é”), 2",
            "mock": True,
            "reason": "mock",
        },
        {
            "id": str(SECOND),
            "recorded_at": "2026-11-20T10:00:01Z",
            "received_at": "2026-11-20T10:00:01Z",
            "lat": 1.0,
            "lon": 2.0,
            **dict.fromkeys((*unknown, "activity", "mock", "reason")),
        },
    ]


def test_csv_runs_nothing_in_a_spreadsheet(owner: httpx.Client, acme: Persona) -> None:
    with company_scope(acme.schema):
        two_fixes()
    response = owner.get(URL, params={"format": "csv"})
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == 'attachment; filename="positions-1.csv"'
    moments = "2026-11-20T10:00:00.000001Z," * 2
    assert response.content.decode().split("\r\n") == [
        COLUMNS,
        f"{FIRST},{moments}0.1,-74.00000000000001,4.5,0.0,90.0,-3.25,0.5,false,"
        '"\'=HYPERLINK(“é”), 2",true,mock',
        f"{SECOND},2026-11-20T10:00:01Z,2026-11-20T10:00:01Z,1.0,2.0,,,,,,,,,",
        "",
    ]


def test_nothing_is_an_empty_stream(owner: httpx.Client) -> None:
    assert owner.get(URL).content == b""
    assert owner.get(URL, params={"format": "csv"}).content.decode() == f"{COLUMNS}\r\n"


def test_since_is_included_and_until_is_not(owner: httpx.Client, acme: Persona) -> None:
    with company_scope(acme.schema):
        for second in range(4):
            fix(f"2026-11-20T10:00:0{second}Z", lat=float(second))
    bounds = {"since": "2026-11-20T10:00:01Z", "until": "2026-11-20T12:00:03+02:00"}
    assert [line["lat"] for line in lines(owner.get(URL, params=bounds))] == [1.0, 2.0]


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_each_fix_comes_once_over_many_pages(
    form: str, owner: httpx.Client, database_url: str
) -> None:
    many(database_url, "acme", 6_001, 1.0)
    response = owner.get(URL, params={"format": form})
    of_csv = csv.DictReader(io.StringIO(response.text))
    found = list(of_csv) if form == "csv" else lines(response)
    keys = [(each["recorded_at"], each["id"]) for each in found]
    assert len(keys) == len(set(keys)) == 6_001
    assert keys == sorted(keys)


def test_two_companies_streams_hold_their_own(
    server: WebServer, owner: httpx.Client, globex: Persona, database_url: str
) -> None:
    """Read by turns, so that each page is made while the other's stream is under way."""
    many(database_url, "acme", 10_000, 1.5)
    many(database_url, "globex", 9_000, 2.5)
    with ExitStack() as stack:
        other = stack.enter_context(closing(server.phone_of(globex, globex.owner)))
        streams = [
            stack.enter_context(client.stream("GET", URL)).iter_bytes(64 * 1024)
            for client in (owner, other)
        ]
        texts = [b"", b""]
        open_ones = {0, 1}
        while open_ones:
            for number in list(open_ones):
                piece = next(streams[number], None)
                if piece is None:
                    open_ones.remove(number)
                else:
                    texts[number] += piece
    found = [[json.loads(line)["lat"] for line in text.splitlines()] for text in texts]
    assert found == [[1.5] * 10_000, [2.5] * 9_000]


def test_a_slow_reader_holds_neither_memory_nor_a_transaction(
    owner: httpx.Client, database_url: str
) -> None:
    """25 MB are more than all the buffers on the way: the rest is not read before it is wanted."""
    many(database_url, "acme", 100_000, 1.0)
    with (
        owner.stream("GET", URL) as response,
        psycopg.connect(database_url, autocommit=True) as database,
    ):
        stream = response.iter_bytes()
        text = next(stream)
        held = database.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
        ).fetchone()
        assert held == (0,)
        gone = database.execute(
            "DELETE FROM acme.tracking_fix WHERE recorded_at >= '2026-11-20T06:40:00Z'"
        ).rowcount
        assert gone == 4_001
        text += b"".join(stream)
    assert text.count(b"\n") == 100_000 - gone


def test_who_took_it_along_is_on_record(owner: httpx.Client, acme: Persona) -> None:
    assert owner.get(URL).status_code == 200
    with company_scope(acme.schema):
        (viewing,) = Viewing.objects.all()
    assert (viewing.technician_id, viewing.viewer_id) == (1, acme.owner_id)
    assert viewing.what == Viewing.What.EXPORT
    assert timezone.now() - viewing.last_at < timedelta(seconds=30)


def test_technicians_take_their_own(server: WebServer, acme: Persona) -> None:
    with company_scope(acme.schema):
        fix("2026-11-20T10:00:00Z", lat=1.0)
        fix("2026-11-20T10:00:00Z", lat=2.0, technician=2)
    with closing(server.phone_of(acme, acme.second_technician)) as phone:
        assert phone.get(URL).status_code == 404
        assert [line["lat"] for line in lines(phone.get(URL.replace("1/pos", "2/pos")))] == [2.0]


def test_somebody_who_left_is_exported(server: WebServer, acme: Persona) -> None:
    with company_scope(acme.schema):
        fix("2026-11-20T10:00:00Z")
        Technician.objects.filter(pk=1).update(is_active=False)
    try:
        with closing(server.phone_of(acme, acme.owner)) as owner:
            assert len(lines(owner.get(URL))) == 1
    finally:
        with company_scope(acme.schema):
            Technician.objects.filter(pk=1).update(is_active=True)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("who", "number", "status", "code"),
    [
        ("dispatcher", 1, 403, "not_an_owner"),
        ("dispatcher", 3, 403, "not_an_owner"),
        ("technician", 2, 404, "unknown_technician"),
        ("owner", 3, 404, "unknown_technician"),
    ],
)
def test_nobody_else_takes_it_along(
    who: str, number: int, status: int, code: str, phone_of: PhoneOf, acme: Persona
) -> None:
    client = phone_of(acme, getattr(acme, who))
    with nothing_happens():
        response = client.get(f"/api/v1/technicians/{number}/positions/export/")
    assert (response.status_code, response.json()["code"]) == (status, code)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "field", "value", "message"),
    [
        ("format=xlsx", "format", "xlsx", "must be ndjson or csv"),
        ("format=", "format", "", "must be ndjson or csv"),
        (
            "since=now",
            "since",
            "now",
            "must be a time with its offset, such as 2026-11-22T10:00:00Z",
        ),
        (
            "until=2026-11-22",
            "until",
            "2026-11-22",
            "must be a time with its offset, such as 2026-11-22T10:00:00Z",
        ),
    ],
)
def test_a_wrong_parameter_is_named_and_nothing_recorded(
    query: str, field: str, value: str, message: str, phone_of: PhoneOf, acme: Persona
) -> None:
    client = phone_of(acme, acme.owner)
    with nothing_happens():
        response = client.get(f"{URL}?{query}")
    assert (response.status_code, response.json()) == (
        400,
        {"errors": [{"field": field, "value": value, "message": message}]},
    )
