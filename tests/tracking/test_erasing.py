"""A person's positions are erased, and nobody else's; who did it stays on record."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, date, datetime
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

import psycopg
import pytest
from django.db import connection
from django.test import Client

from dispatch.models import Technician, User
from tenants.celery import SCHEMA_HEADER
from tenants.context import company_scope
from tests.isolation.evidence import nothing_happens
from tests.isolation.test_tasks import as_a_worker_does
from tests.live import WebServer, access_token, frames, subscribe
from tests.tracking.past import checkpoint, fix, moment, position, trip, visit
from tests.world import Persona
from tracking.actions import retention
from tracking.actions.erasing import continue_erasure, erase_positions
from tracking.models import (
    Checkpoint,
    Correction,
    DayTotal,
    Erasure,
    Fix,
    Position,
    Recount,
    Statement,
    Track,
    Trip,
    Viewing,
    Visit,
)
from tracking.tasks import delete_expired_positions, finish_erasure

PhoneOf = Callable[..., Client]
URL = "/api/v1/technicians/1/positions/"
UTC_ZONE = ZoneInfo("UTC")
OF_A_PERSON = (
    Checkpoint,
    Correction,
    DayTotal,
    Fix,
    Position,
    Recount,
    Statement,
    Track,
    Trip,
    Viewing,
    Visit,
)


def fill(acme: Persona, technician: int = 1) -> None:
    """Two days of one technician, with a row in each table."""
    owner = acme.owner_id
    fix("2026-11-20T10:00:00Z", technician=technician)
    fix("2026-11-21T10:00:00Z", technician=technician)
    fix("2026-11-21T10:00:01Z", technician=technician, reason="mock")
    trip("2026-11-21T10:00:00Z", "2026-11-21T10:30:00Z", distance=9.5, technician=technician)
    visit("2026-11-21T10:30:00Z", "2026-11-21T11:00:00Z", technician=technician)
    visit("2026-11-21T11:30:00Z", None, technician=technician)
    checkpoint("2026-11-21T10:00:00Z", technician=technician)
    position("2026-11-21T10:00:00Z", technician=technician)
    Track.objects.create(technician_id=technician, state=b"a state", lag=2.5)
    Recount.objects.create(
        technician_id=technician, since=moment("2026-11-20T10:00:00Z"), cause="policy"
    )
    at = moment("2026-11-21T12:00:00Z")
    Statement.objects.create(job_id=1, technician_id=technician, stated_by_id=owner, stated_at=at)
    Correction.objects.create(
        job_id=1, technician_id=technician, cause="late", before=[], after=[], corrected_at=at
    )
    Viewing.objects.create(
        technician_id=technician, viewer_id=owner, what="live", began_at=at, last_at=at
    )


def rows(technician: int = 1) -> dict[str, int]:
    """Table → how many rows of this technician there are, of those that have some."""
    found = {
        model.__name__: model._default_manager.filter(technician_id=technician).count()
        for model in OF_A_PERSON
    }
    return {name: count for name, count in found.items() if count}


FILLED = {
    **dict.fromkeys([model.__name__ for model in OF_A_PERSON], 1),
    "Fix": 3,
    "Visit": 2,
}
del FILLED["DayTotal"]


@pytest.fixture
def here(acme: Persona, db: None) -> Iterator[None]:
    with company_scope(acme.schema):
        yield


def erase(acme: Persona, until: str | None = None, *, keep_totals: bool = True) -> Erasure:
    return erase_positions(
        technician_id=1,
        erased_by=User.objects.get(pk=acme.owner_id),
        until=None if until is None else date.fromisoformat(until),
        keep_totals=keep_totals,
        zone=UTC_ZONE,
    )


def test_everything_of_one_and_nothing_of_another(acme: Persona, here: None) -> None:
    fill(acme), fill(acme, technician=2)
    assert rows() == rows(2) == FILLED
    erasure = erase(acme)
    assert rows() == {"DayTotal": 2, "Track": 1, "Viewing": 1}
    assert rows(2) == FILLED
    assert (erasure.fixes, erasure.trips, erasure.visits) == (3, 1, 2)
    track = Track.objects.get(pk=1)
    assert (bytes(track.state), track.lag) == (b"", None)
    stored = Erasure.objects.get()
    assert (stored.technician_id, stored.erased_by_id) == (1, acme.owner_id)
    assert (stored.until, stored.keeps_totals) == (None, True)
    assert stored.finished_at is not None and stored.began_at <= stored.finished_at


def test_totals_stay_as_they_were(acme: Persona, here: None) -> None:
    fill(acme)
    erase(acme)
    assert list(DayTotal.objects.order_by("day").values()) == [
        {
            "technician_id": 1,
            "day": date(2026, 11, 20),
            "distance": 0.0,
            "travel_seconds": 0.0,
            "on_site_seconds": 0.0,
            "trips": 0,
            "visits": 0,
            "fixes": 1,
            "flagged": 0,
        },
        {
            "technician_id": 1,
            "day": date(2026, 11, 21),
            "distance": 9.5,
            "travel_seconds": 1800.0,
            "on_site_seconds": 1800.0,
            "trips": 1,
            "visits": 2,
            "fixes": 2,
            "flagged": 1,
        },
    ]


def test_totals_go_if_asked(acme: Persona, here: None) -> None:
    fill(acme), fill(acme, technician=2)
    for technician in (1, 2):
        DayTotal.objects.create(
            technician_id=technician,
            day=date(2025, 1, 1),
            distance=1,
            travel_seconds=1,
            on_site_seconds=1,
            trips=1,
            visits=1,
            fixes=1,
            flagged=1,
        )
    erase(acme, keep_totals=False)
    assert rows() == {"Track": 1, "Viewing": 1}
    assert rows(2) == {**FILLED, "DayTotal": 1}


def test_only_what_is_before_a_day(acme: Persona, here: None) -> None:
    fill(acme)
    trip("2026-11-20T23:50:00Z", "2026-11-21T00:20:00Z")
    erasure = erase(acme, "2026-11-21")
    assert (erasure.fixes, erasure.trips, erasure.visits) == (1, 1, 0)
    assert rows() == {**FILLED, "Fix": 2, "DayTotal": 1}
    assert not Trip.objects.filter(started_at__lt=moment("2026-11-21T00:00:00Z")).exists()
    # What the engine knew may have begun on the erased day: it works from there on anew.
    assert bytes(Track.objects.get(pk=1).state) == b""
    assert list(Recount.objects.values_list("since", "cause")) == [
        (moment("2026-11-21T00:00:00Z"), "erasure")
    ]


def test_a_recount_that_was_asked_for_is_not_forgotten(acme: Persona, here: None) -> None:
    fix("2026-11-21T10:00:00Z")
    for day in (20, 22):
        since = moment(f"2026-11-{day}T10:00:00Z")
        Recount.objects.create(technician_id=1, since=since, cause="late")
    erase(acme, "2026-11-21")
    assert list(Recount.objects.order_by("since").values_list("since", "cause")) == [
        (moment("2026-11-21T00:00:00Z"), "erasure"),
        (moment("2026-11-22T10:00:00Z"), "late"),
    ]


def test_days_begin_in_the_companys_zone(acme: Persona, here: None) -> None:
    for at in ("2026-11-20T21:59:59Z", "2026-11-20T22:00:00Z"):
        fix(at)
    erase_positions(
        technician_id=1,
        erased_by=User.objects.get(pk=acme.owner_id),
        until=date(2026, 11, 21),
        keep_totals=True,
        zone=ZoneInfo("Europe/Helsinki"),
    )
    assert [each.recorded_at for each in Fix.objects.all()] == [moment("2026-11-20T22:00:00Z")]


def test_batches_are_bounded_and_what_was_begun_is_finished(
    acme: Persona, here: None, settings: Any
) -> None:
    settings.RETENTION_BATCH_ROWS = 2
    settings.ERASURE_REQUEST_SECONDS = -1  # one batch
    fill(acme)
    for second in range(5):
        fix(f"2026-11-20T11:00:0{second}Z")
    begun = erase(acme)
    assert (begun.fixes, begun.finished_at, Fix.objects.count()) == (2, None, 6)
    counts = []
    while True:
        found = continue_erasure(begun.pk, zone=UTC_ZONE, seconds=-1)
        counts.append((found.fixes, found.trips, found.visits))
        if found.finished_at is not None:
            break
    assert counts == [(4, 0, 0), (6, 0, 0), (8, 0, 0), (8, 1, 1), (8, 1, 2), (8, 1, 2)]
    assert [each.fixes for each in DayTotal.objects.order_by("day")] == [6, 2]
    assert rows() == {"DayTotal": 2, "Track": 1, "Viewing": 1}
    again = continue_erasure(begun.pk, zone=UTC_ZONE, seconds=60)
    assert again.finished_at == found.finished_at


def test_a_failed_batch_changes_nothing(acme: Persona, here: None) -> None:
    fill(acme)
    with (
        patch("tracking.actions.deleting_days.delete_some", side_effect=RuntimeError("disk")),
        pytest.raises(RuntimeError, match="disk"),
    ):
        erase(acme)
    assert rows() == FILLED
    assert Erasure.objects.get().finished_at is None


@pytest.mark.django_db
def test_the_task_finishes_an_erasure_of_its_own_company(
    acme: Persona, globex: Persona, settings: Any
) -> None:
    settings.RETENTION_BATCH_ROWS = 1
    settings.ERASURE_REQUEST_SECONDS = -1
    for persona in (acme, globex):
        with company_scope(persona.schema):
            fill(persona)
            assert erase(persona).pk == Erasure.objects.get().pk
    with company_scope(acme.schema):
        number = Erasure.objects.get().pk
    assert as_a_worker_does(finish_erasure, number, **{SCHEMA_HEADER: "acme"})[0] == "SUCCESS"
    with company_scope(acme.schema):
        assert rows() == {"DayTotal": 2, "Track": 1, "Viewing": 1}
        assert Erasure.objects.get().finished_at is not None
    with company_scope(globex.schema):
        assert rows()["Fix"] == 2
        assert Erasure.objects.get().finished_at is None


@pytest.mark.django_db
def test_a_task_that_runs_out_of_time_asks_for_another(acme: Persona, settings: Any) -> None:
    settings.RETENTION_BATCH_ROWS = 1
    settings.ERASURE_REQUEST_SECONDS = settings.RETENTION_RUN_SECONDS = -1
    with company_scope(acme.schema):
        fill(acme)
        erasure = erase(acme)
    with patch.object(finish_erasure, "delay") as asked:
        assert as_a_worker_does(finish_erasure, erasure.pk, **{SCHEMA_HEADER: "acme"})[0] == (
            "SUCCESS"
        )
    asked.assert_called_once_with(erasure.pk)


@pytest.mark.django_db
def test_an_erasure_whose_task_was_lost_is_asked_for_again(acme: Persona, settings: Any) -> None:
    with company_scope(acme.schema):
        fill(acme)
        done = erase(acme)
        settings.ERASURE_REQUEST_SECONDS = -1
        fix("2026-11-21T12:00:00Z")
        left = erase(acme)
    assert (done.finished_at is None, left.finished_at) == (False, None)
    with patch.object(finish_erasure, "delay") as asked:
        state, _ = as_a_worker_does(delete_expired_positions, **{SCHEMA_HEADER: "acme"})
    assert state == "SUCCESS"
    asked.assert_called_once_with(left.pk)


# --- At the door


@pytest.mark.django_db
def test_the_owner_is_told_what_was_erased(
    phone_of: PhoneOf, acme: Persona, globex: Persona
) -> None:
    for persona in (acme, globex):
        with company_scope(persona.schema):
            fill(persona)
    response = phone_of(acme, acme.owner).delete(URL)
    answer = response.json()
    with company_scope(acme.schema):
        erasure = Erasure.objects.get()
        assert rows() == {"DayTotal": 2, "Track": 1, "Viewing": 1}
    with company_scope(globex.schema):
        assert rows() == FILLED
        assert not Erasure.objects.exists()
    assert datetime.fromisoformat(answer.pop("finished_at")) == erasure.finished_at
    assert (response.status_code, answer) == (
        200,
        {
            "id": erasure.pk,
            "technician_id": 1,
            "until": None,
            "totals": "kept",
            "fixes": 3,
            "trips": 1,
            "visits": 2,
        },
    )


@pytest.mark.django_db
def test_until_and_totals_are_taken_from_the_query(phone_of: PhoneOf, acme: Persona) -> None:
    with company_scope(acme.schema):
        fill(acme)
    answer = phone_of(acme, acme.owner).delete(f"{URL}?until=2026-11-21&totals=erase").json()
    assert (answer["until"], answer["totals"], answer["fixes"]) == ("2026-11-21", "erased", 1)
    with company_scope(acme.schema):
        assert rows() == {**FILLED, "Fix": 2}


@pytest.mark.django_db
def test_one_that_is_large_goes_on_in_the_background(
    phone_of: PhoneOf,
    acme: Persona,
    settings: Any,
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    settings.RETENTION_BATCH_ROWS = 1
    settings.ERASURE_REQUEST_SECONDS = -1
    with company_scope(acme.schema):
        fill(acme)
    owner = phone_of(acme, acme.owner)
    sent: list[Any] = []
    with (
        patch("cable.broadcast._bridge.send"),
        patch("celery.Celery.send_task", lambda self, name, **how: sent.append((name, how))),
        django_capture_on_commit_callbacks(execute=True),
    ):
        response = owner.delete(URL)
    answer = response.json()
    assert (response.status_code, answer["finished_at"], answer["fixes"]) == (202, None, 1)
    ((name, how),) = sent
    assert (name, how["args"]) == (finish_erasure.name, (answer["id"],))
    assert how["headers"] == {SCHEMA_HEADER: "acme"}


@pytest.mark.django_db
def test_somebody_who_left_can_be_erased(phone_of: PhoneOf, acme: Persona) -> None:
    with company_scope(acme.schema):
        fill(acme)
        Technician.objects.filter(pk=1).update(is_active=False)
    assert phone_of(acme, acme.owner).delete(URL).json()["fixes"] == 3


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("who", "url", "status", "code"),
    [
        ("dispatcher", URL, 403, "not_an_owner"),
        ("technician", URL, 403, "not_an_owner"),
        ("technician", "/api/v1/technicians/2/positions/", 403, "not_an_owner"),
        ("owner", "/api/v1/technicians/3/positions/", 404, "unknown_technician"),
        ("owner", f"/api/v1/technicians/{2**63}/positions/", 404, "unknown_technician"),
    ],
)
def test_nobody_else_erases(
    who: str, url: str, status: int, code: str, phone_of: PhoneOf, acme: Persona
) -> None:
    client = phone_of(acme, getattr(acme, who))
    with company_scope(acme.schema):
        fill(acme)
    with nothing_happens():
        response = client.delete(url)
    assert (response.status_code, response.json()["code"]) == (status, code)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("until=yesterday", ("until", "yesterday", "must be a day, such as 2026-11-22")),
        ("until=2026-11-31", ("until", "2026-11-31", "must be a day, such as 2026-11-22")),
        ("until=2026-1-3", ("until", "2026-1-3", "must be a day, such as 2026-11-22")),
        ("until=0001-01-01", ("until", "0001-01-01", "must be a day, such as 2026-11-22")),
        ("totals=some", ("totals", "some", "must be keep or erase")),
    ],
)
def test_a_wrong_parameter_erases_nothing(
    query: str, error: tuple[str, str, str], phone_of: PhoneOf, acme: Persona
) -> None:
    client = phone_of(acme, acme.owner)
    with company_scope(acme.schema):
        fill(acme)
    with nothing_happens():
        response = client.delete(f"{URL}?{query}")
    field, value, message = error
    assert (response.status_code, response.json()) == (
        400,
        {"errors": [{"field": field, "value": value, "message": message}]},
    )


# --- With others at work


def test_the_marker_leaves_the_map_of_this_company(
    server: WebServer, acme: Persona, globex: Persona
) -> None:
    for persona in (acme, globex):
        with company_scope(persona.schema):
            position("2026-11-21T10:00:00Z")
    with ExitStack() as stack:
        owner = stack.enter_context(closing(server.phone_of(acme, acme.owner)))
        sockets = []
        for persona in (acme, globex):
            with closing(server.phone_of(persona, persona.dispatcher)) as office:
                token = access_token(office)
            socket = stack.enter_context(server.cable_of(persona, token))
            subscribe(socket, "MapChannel")
            snapshot = frames(socket, 4)[-1]["message"]
            assert (snapshot["type"], list(snapshot["items"])) == ("snapshot", ["1"])
            sockets.append(socket)
        assert owner.delete(URL).status_code == 200
        (frame,) = frames(sockets[0], 1)
        assert frame["message"].pop("server_time")
        assert frame["message"] == {"type": "changes", "items": {}, "removed": ["1"]}
        # The other company's map shows its technician 1 still: its next frame is of a move.
        phone = stack.enter_context(closing(server.phone_of(globex)))
        moved = {
            "id": "0b7c9a52-54c4-4c57-8a3f-6a3f6f9f2f10",
            "recorded_at": "2026-11-21T10:00:01Z",
            "lat": 3,
            "lon": 4,
        }
        assert phone.post("/api/v1/fixes/", json=moved).status_code == 201
        (frame,) = frames(sockets[1], 1)
        assert list(frame["message"]["items"]) == ["1"]
        assert "removed" not in frame["message"]


@pytest.mark.parametrize("what", ["erasing", "retention"])
def test_deleting_waits_for_whoever_works_on_the_track(
    what: str, committed: None, acme: Persona, database_url: str
) -> None:
    with company_scope(acme.schema):
        fill(acme)
    done = threading.Event()

    def work() -> None:
        with company_scope(acme.schema):
            if what == "erasing":
                erase(acme)
            else:
                retention.delete_expired_positions(
                    zone=UTC_ZONE, now=datetime(2028, 1, 1, tzinfo=UTC)
                )
        connection.close()
        done.set()

    thread = threading.Thread(target=work)
    with psycopg.connect(database_url) as ingest, psycopg.connect(database_url) as looking:
        looking.autocommit = True
        ingest.execute("SELECT * FROM acme.tracking_track WHERE technician_id = 1 FOR UPDATE")
        thread.start()
        waiting = (
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE wait_event_type = 'Lock' AND query LIKE '%tracking_track%FOR UPDATE%'"
        )
        deadline = time.monotonic() + 20
        while looking.execute(waiting).fetchone() != (1,):
            assert time.monotonic() < deadline and not done.is_set()
            time.sleep(0.01)
        assert looking.execute("SELECT count(*) FROM acme.tracking_fix").fetchone() == (3,)
        # A fix that comes in before the lock is given goes as well, and its day's total has it.
        ingest.execute(
            "INSERT INTO acme.tracking_fix (technician_id, id, recorded_at, received_at, lat, lon)"
            " VALUES (1, gen_random_uuid(), %s, now(), 1, 2)",
            [datetime(2026, 11, 20, 10, 0, 5, tzinfo=UTC)],
        )
        ingest.commit()
    thread.join(20)
    assert done.is_set()
    with company_scope(acme.schema):
        assert not Fix.objects.exists()
        assert [day.fixes for day in DayTotal.objects.order_by("day")] == [2, 2]
