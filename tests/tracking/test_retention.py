"""What is old is deleted day by day, and each day leaves its total."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cable import State
from sera.celery import app
from tenants.celery import SCHEMA_HEADER
from tenants.context import company_scope, platform_scope
from tenants.models import Tenant
from tenants.tasks import dispatch_to_companies
from tests.isolation.test_tasks import as_a_worker_does
from tests.tracking.past import checkpoint, fix, moment, position, trip, visit
from tests.world import Persona
from tracking.actions import retention
from tracking.actions.retention import delete_expired_positions
from tracking.models import (
    Checkpoint,
    Correction,
    DayTotal,
    Fix,
    Policy,
    Position,
    Statement,
    Track,
    Trip,
    Viewing,
    Visit,
)
from tracking.queries.days import day_figures
from tracking.tasks import delete_expired_positions as task

NEW_YORK = ZoneInfo("America/New_York")
# In New York it is the 28th; of 365 days, the 28th of November 2025 is the first that is kept.
NOW = datetime(2026, 11, 28, 17, tzinfo=UTC)
FIRST_KEPT = "2025-11-28T05:00:00Z"
LAST_OLD = "2025-11-28T04:59:59.999999Z"


@pytest.fixture
def here(acme: Persona, db: None) -> Iterator[None]:
    with company_scope(acme.schema):
        yield


@pytest.fixture
def sent() -> Iterator[list[Any]]:
    """What the map would have been told: (stream, changes)."""
    told: list[Any] = []
    with patch.object(retention, "broadcast_state", lambda *args: told.append(args)):
        yield told


def delete(now: datetime = NOW) -> int:
    return delete_expired_positions(zone=NEW_YORK, now=now)


def totals() -> list[dict[str, Any]]:
    return list(DayTotal.objects.order_by("technician_id", "day").values())


def total(of: str, *, technician: int = 1, **known: Any) -> dict[str, Any]:
    zero: dict[str, Any] = {
        "distance": 0.0,
        "travel_seconds": 0.0,
        "on_site_seconds": 0.0,
        "trips": 0,
        "visits": 0,
        "fixes": 0,
        "flagged": 0,
    }
    day = date.fromisoformat(of)
    return {"technician_id": technician, "day": day, **zero, **known}


def moments(rows: Any, column: str) -> list[datetime]:
    return list(rows.objects.order_by(column).values_list(column, flat=True))


def test_the_default_keeps_whole_days_of_the_companys_zone(here: None) -> None:
    for at in ("2025-11-27T12:00:00Z", LAST_OLD, FIRST_KEPT, "2026-11-28T16:00:00Z"):
        fix(at)
    fix(LAST_OLD, technician=2, reason="mock")
    assert delete() == 3
    assert moments(Fix, "recorded_at") == [moment(FIRST_KEPT), moment("2026-11-28T16:00:00Z")]
    assert totals() == [
        total("2025-11-27", fixes=2),
        total("2025-11-27", technician=2, fixes=1, flagged=1),
    ]
    assert delete() == 0
    assert len(totals()) == 2


def test_a_day_is_old_when_the_companys_day_is_over_and_not_utcs(here: None) -> None:
    fix("2025-11-28T05:00:00Z")
    assert delete(datetime(2026, 11, 29, 4, 59, 59, tzinfo=UTC)) == 0
    assert delete(datetime(2026, 11, 29, 5, tzinfo=UTC)) == 1
    assert totals() == [total("2025-11-28", fixes=1)]


@pytest.mark.parametrize(
    ("day", "first", "last", "after"),
    [
        (
            "2025-03-09",
            "2025-03-09T05:00:00Z",
            "2025-03-10T03:59:59.999999Z",
            "2025-03-10T04:00:00Z",
        ),
        (
            "2025-11-02",
            "2025-11-02T04:00:00Z",
            "2025-11-03T04:59:59.999999Z",
            "2025-11-03T05:00:00Z",
        ),
    ],
    ids=["of 23 hours", "of 25 hours"],
)
def test_a_day_on_which_clocks_change_is_deleted_whole(
    day: str, first: str, last: str, after: str, here: None
) -> None:
    Policy.objects.create(id=1, retention_days=10)
    fix(first), fix(last), fix(after)
    eleven_days_on = datetime.fromisoformat(f"{day}T12:00:00+00:00") + timedelta(11)
    assert delete(eleven_days_on) == 2
    assert moments(Fix, "recorded_at") == [moment(after)]
    assert totals() == [total(day, fixes=2)]


def test_the_policy_says_how_many_days(here: None) -> None:
    Policy.objects.create(id=1, retention_days=1)
    for at in ("2026-11-27T04:59:59Z", "2026-11-27T05:00:00Z"):
        fix(at)
    assert delete() == 1
    assert moments(Fix, "recorded_at") == [moment("2026-11-27T05:00:00Z")]


def test_a_total_has_all_of_its_day_and_is_the_same_before_and_after(here: None) -> None:
    trip("2025-11-20T13:00:00Z", "2025-11-20T13:30:00Z", distance=1234.5)
    trip("2025-11-20T15:00:00Z", "2025-11-20T15:10:00Z", distance=0.25)
    visit("2025-11-20T13:30:00Z", "2025-11-20T15:00:00Z")
    visit("2025-11-20T15:05:00Z", "2025-11-20T15:06:00Z", crossing=True)
    checkpoint("2025-11-20T13:00:00Z")
    fix("2025-11-20T13:00:00Z")
    fix("2025-11-20T13:00:01Z", reason="speed")
    week = {"since": date(2025, 11, 16), "until": date(2025, 11, 23), "zone": NEW_YORK}
    before = day_figures(technician=1, **week)
    assert delete() == 7
    assert totals() == [
        total(
            "2025-11-20",
            distance=1234.75,
            travel_seconds=2400.0,
            on_site_seconds=5400.0,
            trips=2,
            visits=1,
            fixes=2,
            flagged=1,
        )
    ]
    for model in (Fix, Trip, Visit, Checkpoint):
        assert not model.objects.exists()
    after = day_figures(technician=1, **week)
    assert [day.frozen for day in after] == [False, False, False, False, True, False, False]
    for one, other in zip(before, after, strict=True):
        for name in ("day", "distance", "travel_seconds", "on_site_seconds", "trips", "fixes"):
            assert getattr(one, name) == getattr(other, name)


def test_what_goes_on_past_midnight_stays_until_its_end_is_old(here: None) -> None:
    """The drive began on the last old day, and its total has it already."""
    trip(LAST_OLD, "2025-11-28T05:30:00Z", distance=50.0)
    visit("2025-11-28T04:00:00Z", FIRST_KEPT)
    visit("2025-11-28T04:10:00Z", LAST_OLD)
    fix(LAST_OLD)
    assert delete() == 2
    wanted = total(
        "2025-11-27",
        distance=50.0,
        travel_seconds=1800.000001,
        on_site_seconds=3600.0 + 2999.999999,
        trips=1,
        visits=2,
        fixes=1,
    )
    assert totals() == [wanted]
    assert (Trip.objects.count(), Visit.objects.count()) == (1, 1)
    assert delete() == 0
    assert delete(NOW + timedelta(1)) == 2
    assert totals() == [wanted]


def test_a_visit_whose_end_was_never_seen_goes_too(here: None) -> None:
    visit(LAST_OLD, None)
    visit(FIRST_KEPT, None)
    assert delete() == 1
    assert moments(Visit, "arrived_at") == [moment(FIRST_KEPT)]


def test_late_fixes_of_a_day_that_has_a_total_change_nothing(here: None) -> None:
    fix("2025-11-20T13:00:00Z")
    assert delete() == 1
    fix("2025-11-20T14:00:00Z")
    trip("2025-11-20T14:00:00Z", "2025-11-20T14:30:00Z", distance=70.0)
    assert delete() == 2
    assert totals() == [total("2025-11-20", fixes=1)]
    assert not Fix.objects.exists()


def test_late_fixes_of_a_day_that_had_none_get_their_total(here: None) -> None:
    fix("2025-11-21T13:00:00Z")
    assert delete() == 1
    fix("2025-11-20T13:00:00Z")
    assert delete() == 1
    assert totals() == [total("2025-11-20", fixes=1), total("2025-11-21", fixes=1)]


def test_batches_are_bounded_and_a_total_is_never_of_a_part(here: None, settings: Any) -> None:
    settings.RETENTION_BATCH_ROWS = 4
    for second in range(10):
        fix(f"2025-11-20T13:00:{second:02}Z")
    trip("2025-11-20T13:00:00Z", "2025-11-20T13:30:00Z", distance=3.0)
    batches: list[int] = []
    original = retention.delete_batch

    def fail_at_the_third(*args: Any, **kwargs: Any) -> Any:
        if len(batches) == 2:
            raise RuntimeError("the worker is gone")
        found = original(*args, **kwargs)
        batches.append(sum(found))
        assert totals() == [
            total("2025-11-20", fixes=10, distance=3.0, travel_seconds=1800.0, trips=1)
        ]
        return found

    with (
        patch.object(retention, "delete_batch", fail_at_the_third),
        pytest.raises(RuntimeError, match="the worker is gone"),
    ):
        delete()
    assert (batches, Fix.objects.count()) == ([4, 4], 2)
    (day,) = day_figures(
        technician=1, since=date(2025, 11, 20), until=date(2025, 11, 21), zone=NEW_YORK
    )
    assert (day.fixes, day.distance, day.frozen) == (10, 3.0, True)
    assert delete() == 3
    assert totals() == [total("2025-11-20", fixes=10, distance=3.0, travel_seconds=1800.0, trips=1)]


def test_a_batch_that_fails_leaves_no_total(here: None) -> None:
    """The total and the first rows that go are of one transaction."""
    fix("2025-11-20T13:00:00Z")
    with (
        patch("tracking.actions.deleting_days.delete_some", side_effect=RuntimeError("disk")),
        pytest.raises(RuntimeError, match="disk"),
    ):
        delete()
    assert (totals(), Fix.objects.count()) == ([], 1)


def test_a_run_ends_in_time_and_the_next_goes_on(here: None, settings: Any) -> None:
    settings.RETENTION_RUN_SECONDS = -1
    fix("2025-11-20T13:00:00Z")
    assert delete() == 0
    assert (totals(), Fix.objects.count()) == ([], 1)
    settings.RETENTION_RUN_SECONDS = 60
    assert delete() == 1


def test_rows_are_deleted_where_they_are_and_not_read_first(here: None) -> None:
    fix("2025-11-20T13:00:00Z")
    with CaptureQueriesContext(connection) as queries:
        delete()
    on_fixes = [each["sql"] for each in queries if "tracking_fix" in each["sql"]]
    (sql,) = [sql for sql in on_fixes if sql.startswith("DELETE")]
    assert "IN (SELECT" in sql and sql.endswith("LIMIT 2000)")
    # Nor is the whole table: each statement names the technician.
    assert all(re.search(r'technician_id"? = \d', sql) for sql in on_fixes)


def test_statements_corrections_and_viewings_go_by_when_they_were_made(
    here: None, acme: Persona
) -> None:
    for at in (moment(LAST_OLD), moment(FIRST_KEPT)):
        Statement.objects.create(
            job_id=1, technician_id=1, stated_by_id=acme.owner_id, stated_at=at
        )
        Correction.objects.create(
            job_id=1, technician_id=1, cause="late", before=[], after=[], corrected_at=at
        )
        Viewing.objects.create(
            technician_id=1, viewer_id=acme.owner_id, what="live", began_at=at, last_at=at
        )
    Viewing.objects.create(
        technician_id=1,
        viewer_id=acme.owner_id,
        what="live",
        began_at=moment(LAST_OLD),
        last_at=moment(FIRST_KEPT),
    )
    assert delete() == 3
    assert moments(Statement, "stated_at") == [moment(FIRST_KEPT)]
    assert moments(Correction, "corrected_at") == [moment(FIRST_KEPT)]
    assert moments(Viewing, "last_at") == [moment(FIRST_KEPT)] * 2


def test_an_old_marker_leaves_the_map_and_what_the_engine_knew(here: None, sent: list[Any]) -> None:
    position(LAST_OLD)
    position(FIRST_KEPT, technician=2)
    for technician in (1, 2):
        Track.objects.create(technician_id=technician, state=b"a state", lag=1.5)
    assert delete() == 1
    assert moments(Position, "recorded_at") == [moment(FIRST_KEPT)]
    version = int(moment("2025-11-28T05:00:00Z").timestamp()) * 1_000_000
    assert sent == [("acme.map", {"1": State(version, None)})]
    tracks = Track.objects.order_by("pk").values_list("pk", "state", "lag")
    assert [(pk, bytes(state), lag) for pk, state, lag in tracks] == [
        (1, b"", None),
        (2, b"a state", 1.5),
    ]


@pytest.mark.django_db
def test_the_task_of_one_company_deletes_nothing_of_the_other(
    acme: Persona, globex: Persona
) -> None:
    old = (timezone.now() - timedelta(400)).isoformat()
    for persona in (acme, globex):
        with company_scope(persona.schema):
            fix(old)
    assert as_a_worker_does(task, **{SCHEMA_HEADER: "acme"}) == ("SUCCESS", 1)
    for persona, left in ((acme, 0), (globex, 1)):
        with company_scope(persona.schema):
            assert (Fix.objects.count(), DayTotal.objects.count()) == (left, 1 - left)


@pytest.mark.django_db
def test_the_task_uses_the_companys_own_zone(acme: Persona) -> None:
    with platform_scope():
        Tenant.objects.filter(schema_name="acme").update(time_zone="Pacific/Kiritimati")
    with company_scope("acme"):
        fix("2025-01-01T09:59:59Z")  # there it is 23:59:59
        fix("2025-01-01T10:00:00Z")
    assert as_a_worker_does(task, **{SCHEMA_HEADER: "acme"}) == ("SUCCESS", 2)
    with company_scope("acme"):
        assert totals() == [total("2025-01-01", fixes=1), total("2025-01-02", fixes=1)]


@pytest.mark.django_db
def test_beat_asks_for_each_company(acme: Persona, globex: Persona) -> None:
    (entry,) = [
        each
        for each in django_settings.CELERY_BEAT_SCHEDULE.values()
        if each["args"] == ("tracking.tasks.delete_expired_positions",)
    ]
    assert entry["task"] == "tenants.tasks.dispatch_to_companies"
    app.loader.import_default_modules()
    asked: list[Any] = []
    with patch("celery.Celery.send_task", lambda self, name, *_, **o: asked.append((name, o))):
        dispatch_to_companies(*entry["args"])
    assert [(name, options["headers"][SCHEMA_HEADER]) for name, options in asked] == [
        ("tracking.tasks.delete_expired_positions", "acme"),
        ("tracking.tasks.delete_expired_positions", "globex"),
    ]
