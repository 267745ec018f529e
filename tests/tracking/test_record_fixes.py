"""Storing fixes and moving the marker."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from django.utils import timezone

from dispatch.models import Technician
from tenants.context import NoCompanyError, company_scope, platform_scope
from tests.world import Persona
from tracking.actions import record_fixes
from tracking.fixes import FixForm
from tracking.models import Fix, Position
from tracking.queries import live_positions, technicians_on_map

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def fix(minute: float, **fields: Any) -> FixForm:
    return FixForm(
        id=fields.pop("id", None) or uuid.uuid4(),
        recorded_at=NOON + timedelta(minutes=minute),
        lat=fields.pop("lat", 60.5 + minute / 1000),
        lon=fields.pop("lon", 26.9),
        **fields,
    )


def record(fixes: list[FixForm], *, technician_id: int) -> list[str]:
    """The outcomes of recording fixes."""
    recorded = record_fixes(technician_id=technician_id, fixes=fixes)
    return [status if reason is None else reason for status, reason in recorded.outcomes]


@pytest.fixture(autouse=True)
def _in_acme(acme: Persona) -> Any:
    with company_scope(acme.schema):
        yield


def test_every_field_is_stored_as_it_was_sent(acme: Persona) -> None:
    sent = fix(
        0,
        accuracy=4.5,
        speed=12.1,
        heading=180.0,
        altitude=10.0,
        battery=0.8,
        charging=False,
        activity="in_vehicle",
        mock=False,
    )
    assert record([sent], technician_id=1) == ["stored"]
    stored = Fix.objects.get()
    assert stored.technician_id == 1
    for name in FixForm.__struct_fields__:
        assert getattr(stored, name) == getattr(sent, name), name
    assert timezone.now() - stored.received_at < timedelta(seconds=30)


def test_the_same_id_again_changes_nothing() -> None:
    first = fix(0, lat=60.0)
    assert record([first], technician_id=1) == ["stored"]
    again = FixForm(id=first.id, recorded_at=first.recorded_at, lat=61.0, lon=26.9)
    assert record([again], technician_id=1) == ["duplicate"]
    assert Fix.objects.get().lat == 60.0


def test_the_same_id_twice_in_one_batch_is_stored_once_as_first_sent() -> None:
    number = uuid.uuid4()
    batch = [fix(0, id=number, lat=60.5), fix(1), fix(2, id=number, lat=62.0)]
    assert record(batch, technician_id=1) == ["stored", "stored", "duplicate"]
    assert Fix.objects.get(id=number).lat == 60.5


def test_one_id_of_two_technicians_is_two_fixes() -> None:
    number = uuid.uuid4()
    assert record([fix(0, id=number)], technician_id=1) == ["stored"]
    assert record([fix(0, id=number)], technician_id=2) == ["stored"]
    assert Fix.objects.count() == 2


def test_the_marker_takes_the_newest_of_a_shuffled_batch() -> None:
    record_fixes(technician_id=1, fixes=[fix(2), fix(5), fix(1)])
    assert Position.objects.get().recorded_at == NOON + timedelta(minutes=5)


def test_a_late_fix_is_history_and_moves_no_marker() -> None:
    record_fixes(technician_id=1, fixes=[fix(5)])
    with patch("tracking.actions.recording.broadcast_state") as sent:
        assert record([fix(1)], technician_id=1) == ["stored"]
    assert sent.call_count == 0
    assert Fix.objects.count() == 2
    assert Position.objects.get().recorded_at == NOON + timedelta(minutes=5)


def test_a_fix_from_the_future_is_history_and_does_not_freeze_the_marker() -> None:
    ahead = FixForm(
        id=uuid.uuid4(), recorded_at=timezone.now() + timedelta(minutes=3), lat=1.0, lon=1.0
    )
    assert record([ahead], technician_id=1) == ["future"]
    assert not Position.objects.exists()
    record_fixes(technician_id=1, fixes=[fix(0)])
    assert Position.objects.get().recorded_at == NOON


def test_heading_360_is_north() -> None:
    record_fixes(technician_id=1, fixes=[fix(0, heading=360.0)])
    assert Fix.objects.get().heading == 0.0


def test_the_map_hears_of_the_newest_fix_after_the_commit(
    django_capture_on_commit_callbacks: Any,
) -> None:
    with (
        patch("cable.broadcast._bridge.send") as send,
        django_capture_on_commit_callbacks(execute=True) as callbacks,
    ):
        record_fixes(technician_id=1, fixes=[fix(0), fix(1, speed=3.0)])
        assert send.call_count == 0
    assert len(callbacks) == 1
    assert send.call_count == 1


def test_the_map_hears_what_its_next_load_would_read() -> None:
    """Of the company, the technician and the newest moment; equal to the last byte."""
    with patch("tracking.actions.recording.broadcast_state") as sent:
        batch = [fix(0), fix(2.5, lat=60.51, accuracy=5.0, heading=360.0, battery=1.0), fix(1)]
        record_fixes(technician_id=2, fixes=batch)
    ((stream, changes), _) = sent.call_args
    assert stream == "acme.map"
    told, loaded = msgspec.json.encode(changes), msgspec.json.encode(live_positions())
    assert told == loaded
    ((version, body),) = msgspec.json.decode(told).values()
    assert list(changes) == ["2"]
    # 2026-11-22T12:02:30Z
    assert version == 1_795_348_950_000_000
    assert timezone.now() - datetime.fromisoformat(body.pop("received_at")) < timedelta(seconds=30)
    assert body == {
        "lat": 60.51,
        "lon": 26.9,
        "accuracy": 5.0,
        "speed": None,
        "heading": 0.0,
        "battery": 1.0,
        "recorded_at": "2026-11-22T12:02:30Z",
    }


def test_versions_order_positions_as_the_database_does_to_the_microsecond() -> None:
    microsecond = timedelta(microseconds=1)
    versions = []
    for moment in (NOON, NOON + microsecond, NOON, NOON + 2 * microsecond):
        with patch("tracking.actions.recording.broadcast_state") as sent:
            each = FixForm(id=uuid.uuid4(), recorded_at=moment, lat=60.0, lon=26.9)
            record_fixes(technician_id=1, fixes=[each])
        versions += [call.args[1]["1"].version for call in sent.call_args_list]
    first = versions[0]
    assert versions == [first, first + 1, first + 2]
    assert live_positions()["1"].version == first + 2


def test_who_is_out_of_service_is_not_on_the_map() -> None:
    for technician in (1, 2):
        record_fixes(technician_id=technician, fixes=[fix(technician)])
    Technician.objects.filter(pk=1).update(is_active=False)
    assert list(live_positions()) == ["2"]
    assert [technician.id for technician in technicians_on_map().technicians] == [2]


def test_nothing_is_stored_when_a_statement_fails() -> None:
    with (
        patch("tracking.actions.storing._position", side_effect=RuntimeError("broken")),
        pytest.raises(RuntimeError, match="broken"),
    ):
        record_fixes(technician_id=1, fixes=[fix(0)])
    assert Fix.objects.count() == 0


def test_without_a_company_nothing_is_stored() -> None:
    with (
        platform_scope(),
        patch("tracking.actions.recording.CompanyPart") as insert,
        pytest.raises(NoCompanyError),
    ):
        record_fixes(technician_id=1, fixes=[fix(0)])
    assert insert.call_count == 0
