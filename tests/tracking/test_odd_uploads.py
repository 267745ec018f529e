"""Phones that forget what they sent, lie, or come back after days; and tracks that are broken."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from msgspec.structs import replace
from pytest_django import Settings

from dispatch.models import Customer, Job, Shift, Technician, User
from tenants.context import company_scope
from tests.tracking.test_following import MORNING, SITE, STEP, day, fix, told, upload
from tests.world import Persona
from tracking import tasks
from tracking.actions import record_fixes, settle_part, settle_track, unsettled_technicians
from tracking.actions.policy import change_policy
from tracking.fixes import FixForm
from tracking.models import Checkpoint, Correction, Fix, Policy, Position, Recount, Trip, Visit

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _in_acme(acme: Persona) -> Iterator[None]:
    with company_scope(acme.schema):
        yield


def test_an_id_that_is_used_again_moves_nothing() -> None:
    upload(day())
    expected = told()
    first = next(iter(day()))
    again = [
        replace(first, recorded_at=MORNING + timedelta(seconds=4_300 + n * 10), lat=62.0 + n * STEP)
        for n in range(3)
    ]
    for each in again:
        recorded = record_fixes(technician_id=1, fixes=[each])
        assert [outcome.status for outcome in recorded.outcomes] == ["duplicate"]
    found = told()
    assert {**found, "state": None} == {**expected, "state": None}
    assert unsettled_technicians() == []


def test_a_place_that_is_sent_again_under_another_id_settles_nothing() -> None:
    # It is far away; a poor accuracy would make it credible.
    upload([fix(0, SITE[0])])
    far = replace(fix(10, SITE[0] + 9 * STEP), id=uuid.UUID(int=1))
    assert record_fixes(technician_id=1, fixes=[far]).outcomes[0].reason == "unconfirmed"
    again = replace(far, id=uuid.UUID(int=2), accuracy=95.0)
    assert record_fixes(technician_id=1, fixes=[again]).outcomes[0].status == "duplicate"
    assert Fix.objects.get(id=far.id).reason == "unconfirmed"
    assert Position.objects.get().lat == SITE[0]


def test_a_phone_that_comes_back_after_days_is_seen_at_all_the_jobs_of_its_days() -> None:
    technician, customer = Technician.objects.get(pk=1), Customer.objects.get(pk=1)
    Job.objects.bulk_create(
        Job(
            title=f"Later {n}",
            kind="plumbing",
            status="assigned",
            technician=technician,
            customer=customer,
            address="",
            lat=10.0,
            lon=10.0,
            starts_at=MORNING + timedelta(hours=24 + 2 * n),
            ends_at=MORNING + timedelta(hours=25 + 2 * n),
        )
        for n in range(40)
    )
    assert timezone.now() > MORNING + timedelta(hours=24 + 2 * 40)
    upload(sorted(day(), key=lambda each: each.recorded_at))
    assert [visit.job_id for visit in Visit.objects.all()] == [1]


@pytest.mark.parametrize("gone", ["cancelled", "given to another"])
def test_a_late_fix_takes_back_no_visit_to_a_job_that_is_gone(gone: str) -> None:
    fixes = sorted(day(), key=lambda each: each.recorded_at)
    late = fixes.pop(300)
    upload(fixes)
    (before,) = Visit.objects.values()
    if gone == "cancelled":
        Job.objects.update(status="cancelled")
    else:
        Job.objects.update(technician=2)
    upload([late])
    assert list(Visit.objects.values()) == [before]
    assert not Correction.objects.exists()


def test_a_clock_that_runs_ahead_brings_nobody_to_work() -> None:
    now = timezone.now()
    Shift.objects.create(
        technician_id=1, starts_at=now + timedelta(hours=4), ends_at=now + timedelta(hours=8)
    )
    ahead = FixForm(
        id=uuid.uuid4(), recorded_at=now + timedelta(hours=5), lat=60.5, lon=26.9, accuracy=5.0
    )
    recorded = record_fixes(technician_id=1, fixes=[ahead])
    assert recorded.outcomes == [("refused", "off_shift")]
    assert not Fix.objects.exists()


def test_a_broken_checkpoint_costs_only_time() -> None:
    fixes = sorted(day(), key=lambda each: each.recorded_at)
    upload(fixes)
    expected = told()
    Checkpoint.objects.update(state=b"no state")
    late = fixes.pop(300)
    Fix.objects.filter(id=late.id).delete()
    upload([late])
    found = told()
    assert {**found, "state": None} == {**expected, "state": None}
    assert unsettled_technicians() == []
    assert Trip.objects.count() == 2
    assert Policy.objects.count() == 0


def test_a_track_that_cannot_be_settled_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settle = tasks.settle_part

    def break_first(*, technician_id: int) -> tuple[int, bool]:
        if technician_id == 1:
            raise RuntimeError("broken")
        return settle(technician_id=technician_id)

    monkeypatch.setattr(tasks, "settle_part", break_first)
    for technician in (1, 2):
        record_fixes(technician_id=technician, fixes=[fix(0, SITE[0])])
        Recount.objects.create(technician_id=technician, since=MORNING, cause="late")
    assert tasks.settle_tracks() == 1
    assert unsettled_technicians() == [1]


def test_parts_that_find_the_same_again_are_no_correction(settings: Settings) -> None:
    upload(sorted(day(), key=lambda each: each.recorded_at))
    expected = told()
    for size in (100, 150, 200, 400):
        settings.SETTLE_MAX_FIXES = size
        Recount.objects.create(technician_id=1, since=MORNING, cause="policy")
        settle_track(technician_id=1)
        found = told()
        assert {**found, "state": None} == {**expected, "state": None}
    assert not Correction.objects.exists()


def test_a_part_that_ends_with_a_mocked_fix_leaves_none_out(settings: Settings) -> None:
    settings.SETTLE_MAX_FIXES = 3
    standing = [replace(fix(n * 10, SITE[0]), id=uuid.UUID(int=2**127 + n)) for n in range(2)]
    mocked = replace(fix(20, SITE[0] + STEP, mock=True), id=uuid.UUID(int=1))
    poor = replace(fix(20, SITE[0], accuracy=900.0), id=uuid.UUID(int=2))
    upload([*standing, mocked, poor])
    assert Fix.objects.get(id=poor.id).reason == "accuracy"
    change_policy(changes={"max_accuracy": 1_000}, by=User.objects.get(pk=1))
    settle_track(technician_id=1)
    assert Fix.objects.get(id=poor.id).reason is None


def test_many_mocked_fixes_of_one_moment_come_to_an_end(settings: Settings) -> None:
    settings.SETTLE_MAX_FIXES = 3
    upload([fix(10, SITE[0] + n * STEP, mock=True) for n in range(7)])
    Recount.objects.create(technician_id=1, since=MORNING, cause="late")
    parts = [settle_part(technician_id=1) for _ in range(3)]
    assert parts == [(3, True), (3, True), (1, False)]
