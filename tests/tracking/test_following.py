"""What uploads make of a technician's day, in whatever order they come."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from dispatch.models import Job, Shift, User
from tenants.context import company_scope
from tests.isolation.evidence import nothing_happens
from tests.world import Persona
from tracking.actions import record_fixes, settle_part, settle_track, unsettled_technicians
from tracking.actions.policy import change_policy
from tracking.fixes import FixForm
from tracking.models import (
    Checkpoint,
    Correction,
    Fix,
    Policy,
    Position,
    Recount,
    Track,
    Trip,
    Visit,
)

pytestmark = pytest.mark.django_db

# The job of the tests' world: from 9 to 10, at this place.
MORNING = datetime(2026, 11, 23, 8, tzinfo=UTC)
SITE = (60.53, 26.93)
# 10 m/s northwards in ten seconds, degrees.
STEP = 100 / 111_400


@pytest.fixture(autouse=True)
def _in_acme(acme: Persona) -> Iterator[None]:
    with company_scope(acme.schema):
        yield


def fix(second: float, lat: float, lon: float = SITE[1], **fields: Any) -> FixForm:
    moment = MORNING + timedelta(seconds=second)
    # Names of their own: the same day has the same ids.
    id_ = uuid.uuid5(uuid.NAMESPACE_OID, f"{second}|{lat}|{lon}")
    return FixForm(id=id_, recorded_at=moment, lat=lat, lon=lon, **{"accuracy": 5.0, **fields})


def day() -> list[FixForm]:
    """Stands for 10 min, drives 6 km in 10 min to the job, is there for half an hour, drives on for
    10 min and stands there; with a teleport, a jump of 500 m and a poor fix."""
    south = SITE[0] - 60 * STEP
    fixes = [fix(n * 10, south) for n in range(60)]
    fixes += [fix(600 + n * 10, south + n * STEP) for n in range(60)]
    fixes += [fix(1_200 + n * 10, SITE[0]) for n in range(180)]
    fixes += [fix(3_000 + n * 10, SITE[0] + n * STEP) for n in range(60)]
    fixes += [fix(3_600 + n * 10, SITE[0] + 60 * STEP) for n in range(60)]
    fixes.append(fix(905, 48.85, 2.35))
    fixes.append(fix(2_005, SITE[0] + 5 * STEP))
    fixes.append(fix(1_505, SITE[0] + STEP, accuracy=900.0))
    return fixes


def upload(fixes: Sequence[FixForm], size: int = 50) -> None:
    for first in range(0, len(fixes), size):
        recorded = record_fixes(technician_id=1, fixes=fixes[first : first + size])
        assert {outcome.status for outcome in recorded.outcomes} == {"stored"}


def told() -> dict[str, Any]:
    """All that was worked out, to the last bit."""
    return {
        "trips": list(Trip.objects.order_by("started_at").values()),
        "visits": list(Visit.objects.order_by("arrived_at").values()),
        "reasons": dict(Fix.objects.exclude(reason=None).values_list("id", "reason")),
        "position": list(Position.objects.values_list("technician", "recorded_at", "lat", "lon")),
        "state": bytes(Track.objects.get(pk=1).state),
    }


def forget() -> None:
    for model in (Trip, Visit, Fix, Position, Track, Checkpoint, Recount, Correction):
        model.objects.all().delete()


def test_a_day() -> None:
    upload(day())
    first, second = Trip.objects.order_by("started_at")
    assert first.distance == pytest.approx(6_000, rel=0.01)
    assert second.distance == pytest.approx(6_000, rel=0.01)
    (visit,) = Visit.objects.all()
    assert (visit.job_id, visit.crossing) == (1, False)
    # The site's edge is a hundred metres from its middle, and left by more than 25 m.
    assert visit.arrived_at == MORNING + timedelta(seconds=1_200)
    assert visit.left_at == MORNING + timedelta(seconds=3_020)
    reasons = dict(Fix.objects.exclude(reason=None).values_list("recorded_at", "reason"))
    assert reasons == {
        MORNING + timedelta(seconds=905): "outlier",
        MORNING + timedelta(seconds=1_505): "accuracy",
    }
    assert not Recount.objects.exists()


ORDERS: dict[str, Callable[[list[FixForm]], list[FixForm]]] = {
    "newest first": lambda fixes: sorted(fixes, key=lambda each: each.recorded_at, reverse=True),
    "shuffled": lambda fixes: random.Random(1).sample(fixes, len(fixes)),
    "the second half first": lambda fixes: fixes[len(fixes) // 2 :] + fixes[: len(fixes) // 2],
    "every other one late": lambda fixes: fixes[::2] + fixes[1::2],
}


@pytest.mark.parametrize("size", [7, 50, 1_000])
@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_arrival_changes_nothing(order: str, size: int) -> None:
    in_order = sorted(day(), key=lambda each: each.recorded_at)
    upload(in_order)
    expected = told()
    forget()
    upload(ORDERS[order](in_order), size)
    found = told()
    # When the state was put down as a checkpoint last differs, what it says does not.
    assert {**found, "state": None} == {**expected, "state": None}
    assert unsettled_technicians() == []


def test_a_late_fix_corrects_the_time_on_site_and_says_so() -> None:
    fixes = sorted(day(), key=lambda each: each.recorded_at)
    arrival = MORNING + timedelta(seconds=1_400)
    late = [each for each in fixes if 1_150 <= (each.recorded_at - MORNING).seconds < 1_400]
    upload([each for each in fixes if each not in late])
    (visit,) = Visit.objects.all()
    assert visit.arrived_at == arrival
    marker = Position.objects.get().recorded_at
    upload(late)
    (visit,) = Visit.objects.all()
    assert visit.arrived_at == MORNING + timedelta(seconds=1_200)
    (correction,) = Correction.objects.all()
    assert (correction.job_id, correction.technician_id, correction.cause) == (1, 1, "late")
    left = visit.left_at.isoformat() if visit.left_at else None
    assert correction.before == [[arrival.isoformat(), left]]
    assert correction.after == [[visit.arrived_at.isoformat(), left]]
    assert Position.objects.get().recorded_at == marker


@pytest.mark.parametrize(
    "changes",
    [
        {"max_accuracy": 1_000.0},
        {"max_speed": 20.0},
        {"stop_seconds": 900.0},
        {"stop_radius": 300.0},
        {"site_radius": 500.0},
    ],
)
def test_another_policy_gives_what_it_had_given_from_the_start(
    changes: dict[str, Any], acme: Persona
) -> None:
    owner = User.objects.get(pk=acme.owner_id)
    upload(day())
    before = told()
    change_policy(changes=changes, by=owner)
    for technician in unsettled_technicians():
        settle_track(technician_id=technician)
    changed = told()
    assert {**changed, "state": None} != {**before, "state": None}
    forget()
    upload(day())
    assert {**changed, "state": None} == {**told(), "state": None}
    forget()
    Policy.objects.all().delete()
    upload(day())
    assert told() == before


def test_a_long_track_is_settled_in_parts(settings: Settings) -> None:
    fixes = sorted(day(), key=lambda each: each.recorded_at)
    upload(fixes)
    expected = told()
    settings.SETTLE_MAX_FIXES = 100
    forget()
    upload(fixes[1:])
    with transaction.atomic():
        Fix.objects.bulk_create(
            Fix(technician_id=1, received_at=timezone.now(), **_columns(fixes[0])) for _ in "1"
        )
        Recount.objects.create(technician_id=1, since=MORNING, cause="late")
    parts = []
    more = True
    while more:
        count, more = settle_part(technician_id=1)
        parts.append(count)
        assert Recount.objects.exists() is more
    assert parts == [100, 100, 100, 100, 23]
    assert {**told(), "state": None} == {**expected, "state": None}


def _columns(each: FixForm) -> dict[str, Any]:
    return {name: getattr(each, name) for name in FixForm.__struct_fields__}


def test_a_track_that_cannot_be_read_blocks_no_phone() -> None:
    upload([fix(0, 60.0)])
    Track.objects.update(state=b"\xc1")
    upload([fix(10, 60.0005)])
    assert Fix.objects.count() == 2
    # Worked through from the beginning.
    assert bytes(Track.objects.get().state) != b"\xc1"
    assert Position.objects.get().lat == 60.0005


# --- What is wanted of whom, and when


def outcomes(*fixes: FixForm) -> tuple[list[tuple[str, str | None]], str]:
    recorded = record_fixes(technician_id=1, fixes=fixes)
    return [tuple(outcome) for outcome in recorded.outcomes], recorded.profile


def plan(first: float, last: float) -> None:
    """A shift between two seconds of the morning."""
    Shift.objects.create(
        technician_id=1,
        starts_at=MORNING + timedelta(seconds=first),
        ends_at=MORNING + timedelta(seconds=last),
    )


def test_who_has_no_shifts_always_works() -> None:
    assert outcomes(fix(0, 60.0)) == ([("stored", None)], "coarse")


def test_off_shift_nothing_is_kept() -> None:
    plan(100, 200)
    refused = ("refused", "off_shift")
    sent = [fix(second, 60.0 + second / 1e6) for second in (99, 100, 199, 200)]
    expected = [refused, ("stored", None), ("stored", None), refused]
    assert outcomes(*sent) == (expected, "off")
    moments = Fix.objects.order_by("recorded_at").values_list("recorded_at", flat=True)
    assert [(moment - MORNING).seconds for moment in moments] == [100, 199]


def test_an_off_shift_upload_leaves_no_trace(
    phone_of: Callable[..., Client], acme: Persona
) -> None:
    plan(100, 200)
    phone = phone_of(acme)
    with nothing_happens():
        body = {
            "id": str(uuid.uuid4()),
            "recorded_at": "2026-11-22T10:00:00Z",
            "lat": 60.0,
            "lon": 26.0,
        }
        response = phone.post("/api/v1/fixes/", body, content_type="application/json")
    answer = response.json()
    assert (response.status_code, answer["status"], answer["reason"]) == (
        200,
        "refused",
        "off_shift",
    )
    assert answer["profile"] == {"mode": "off"}


def test_a_trip_is_wanted_off_shift_too() -> None:
    plan(100, 200)
    Job.objects.filter(pk=1).update(
        on_the_way_at=MORNING + timedelta(seconds=300), status="on_the_way"
    )
    sent = [fix(second, 60.0 + second / 1e6) for second in (299, 300, 900)]
    assert outcomes(*sent)[0] == [
        ("refused", "off_shift"),
        ("stored", None),
        ("stored", None),
    ]
    Job.objects.filter(pk=1).update(done_at=MORNING + timedelta(seconds=1_000), status="done")
    assert outcomes(fix(1_000, 60.001))[0] == [("refused", "off_shift")]


def test_on_trips_alone() -> None:
    Policy.objects.create(id=1, accept=Policy.Accept.ON_TRIP)
    assert outcomes(fix(0, 60.0)) == ([("refused", "off_shift")], "off")
    Job.objects.filter(pk=1).update(on_the_way_at=MORNING, status="on_the_way")
    assert outcomes(fix(10, 60.0))[0] == [("stored", None)]


def test_always() -> None:
    Policy.objects.create(id=1, accept=Policy.Accept.ALWAYS)
    plan(100, 200)
    assert outcomes(fix(0, 60.0)) == ([("stored", None)], "coarse")


def test_what_is_older_than_it_is_kept_is_refused() -> None:
    Policy.objects.create(id=1, retention_days=1)
    old = FixForm(
        id=uuid.uuid4(), recorded_at=timezone.now() - timedelta(days=1, minutes=1), lat=1.0, lon=1.0
    )
    young = FixForm(
        id=uuid.uuid4(), recorded_at=timezone.now() - timedelta(hours=23), lat=1.0, lon=1.0
    )
    assert outcomes(old, young)[0] == [("refused", "too_old"), ("stored", None)]


@pytest.mark.parametrize(
    ("job", "profile"),
    [
        ({}, "coarse"),
        ({"status": "on_the_way", "on_the_way_at": -5}, "fine"),
        ({"status": "arrived", "on_the_way_at": -5, "arrived_at": -1}, "coarse"),
        ({"status": "on_the_way", "on_the_way_at": 60}, "coarse"),
    ],
)
def test_the_profile_follows_the_job(job: dict[str, Any], profile: str) -> None:
    now = timezone.now()
    moved = {
        name: now + timedelta(minutes=value) if isinstance(value, int) else value
        for name, value in job.items()
    }
    Job.objects.filter(pk=1).update(starts_at=now, ends_at=now + timedelta(hours=1), **moved)
    assert record_fixes(technician_id=1, fixes=[]).profile == profile


def test_a_clock_that_is_ahead_is_noticed() -> None:
    ahead = timezone.now() + timedelta(seconds=90)
    record_fixes(technician_id=1, fixes=[FixForm(id=uuid.uuid4(), recorded_at=ahead, lat=1, lon=1)])
    lag = Track.objects.get().lag
    assert lag == pytest.approx(-90, abs=20)
    # What was sent late says nothing of the clock.
    record_fixes(technician_id=1, fixes=[fix(0, 1.0, 1.0)])
    assert lag < Track.objects.get().lag


# --- Once


def test_the_same_moment_and_place_under_another_id_is_known() -> None:
    first = fix(0, 60.0)
    again = FixForm(id=uuid.uuid4(), recorded_at=first.recorded_at, lat=60.0, lon=first.lon)
    assert outcomes(first)[0] == [("stored", None)]
    assert outcomes(again, again)[0] == [("duplicate", None), ("duplicate", None)]
    assert Fix.objects.count() == 1


@pytest.mark.parametrize("together", [True, False])
def test_two_places_at_one_moment_are_kept_and_one_counts(together: bool) -> None:
    """Which one does not depend on which came first."""
    one, other = sorted((fix(0, 60.0), fix(0, 60.0001)), key=lambda each: each.id)
    for batch in [[other, one]] if together else [[other], [one]]:
        record_fixes(technician_id=1, fixes=batch)
    assert dict(Fix.objects.values_list("id", "reason")) == {one.id: None, other.id: "duplicate"}
    assert Position.objects.get().lat == one.lat


# --- What is asked of it


def test_the_way_to_a_job_and_the_time_there(
    phone_of: Callable[..., Client], acme: Persona
) -> None:
    upload(day())
    answer = phone_of(acme).get("/api/v1/jobs/1/visits/").json()
    journey = answer["journey"]
    assert journey["distance"] == pytest.approx(6_000, rel=0.01)
    assert (journey["trips"], journey["seconds"]) == (1, pytest.approx(600, abs=20))
    # From 1,200 s to 3,020 s.
    assert answer["on_site_seconds"] == 1_820


def test_a_day_is_played_again(phone_of: Callable[..., Client], acme: Persona) -> None:
    upload(day())
    window = {"since": "2026-11-23T08:00:00Z", "until": "2026-11-23T10:00:00Z"}
    url = "/api/v1/technicians/1/replay/"
    answer = phone_of(acme).get(url, window).json()
    south, north = SITE[0] - 60 * STEP, SITE[0] + 60 * STEP
    # Straight north; but who plays it sees them stand, and the fix 500 m ahead.
    played = list(zip(answer["times"], answer["coordinates"], strict=True))
    assert [(time[11:19], lat) for time, (_, lat) in played] == [
        ("08:00:00", pytest.approx(south)),
        ("08:10:00", pytest.approx(south)),
        ("08:20:00", pytest.approx(SITE[0])),
        ("08:33:20", pytest.approx(SITE[0])),
        ("08:33:25", pytest.approx(SITE[0] + 5 * STEP)),
        ("08:33:30", pytest.approx(SITE[0])),
        ("08:50:00", pytest.approx(SITE[0])),
        ("09:00:00", pytest.approx(north)),
        ("09:09:50", pytest.approx(north)),
    ]
    assert (answer["fixes"], answer["flagged"]) == (421, 2)
    assert [round(trip["distance"], -2) for trip in answer["trips"]] == [6_000, 6_000]
    assert [visit["job_id"] for visit in answer["visits"]] == [1]
    for wrong, field in (
        ({"since": window["since"]}, "until"),
        ({**window, "until": "2026-11-25T08:00:01Z"}, "until"),
        ({**window, "until": window["since"]}, "until"),
        ({**window, "tolerance": "1001"}, "tolerance"),
    ):
        refused = phone_of(acme).get(url, wrong)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, field)
    other = phone_of(acme, acme.second_technician).get(url, window)
    assert (other.status_code, other.json()["code"]) == (404, "unknown_technician")
