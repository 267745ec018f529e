"""The doors of dispatchers' questions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import jsonschema
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dispatch.actions.people import create_technician
from dispatch.actions.work import create_job
from dispatch.models import Customer, Job, Shift, Technician
from tenants.context import company_scope
from tests.tracking.engines import FakeEngine
from tests.tracking.test_api_schema import _as_json_schema
from tests.world import PASSWORD, Persona
from tracking.eta import Place
from tracking.models import Policy, Position

pytestmark = pytest.mark.django_db

PhoneOf = Callable[..., Client]
# A Monday at ten; the persona's job is in its window.
NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SITE = Place(60.53, 26.93)


@pytest.fixture(autouse=True)
def _now() -> Iterator[None]:
    with patch("tracking.api.advice.timezone.now", return_value=NOW):
        yield


@pytest.fixture
def company(acme: Persona) -> Iterator[Persona]:
    with company_scope(acme.schema):
        yield acme


def seen(technician: int, lat: float, lon: float, *, age: float = 10, accuracy: float = 5) -> None:
    moment = NOW - timedelta(seconds=age)
    Position.objects.create(
        technician_id=technician,
        lat=lat,
        lon=lon,
        accuracy=accuracy,
        recorded_at=moment,
        received_at=moment,
    )


def a_job(technician: int | None, opens: float, closes: float, **fields: Any) -> Job:
    """Beginning between so many minutes from now."""
    job = create_job(
        title="x",
        kind=fields.pop("kind", "plumbing"),
        customer=Customer.objects.get(pk=1),
        technician=None if technician is None else Technician.objects.get(pk=technician),
        starts_at=NOW + opens * MINUTE,
        ends_at=NOW + closes * MINUTE,
    )
    Job.objects.filter(pk=job.pk).update(**fields)
    job.refresh_from_db()
    return job


def ask(client: Client, path: str, status: int = 200) -> Any:
    response = client.get(path)
    assert response.status_code == status, response.content
    return response.json()


def ranked(client: Client, job: int = 1, query: str = "") -> dict[str, Any]:
    return ask(client, f"/api/v1/jobs/{job}/technicians/{query}")


def places(answer: dict[str, Any]) -> list[tuple[int, int | None, list[str]]]:
    return [(one["technician"]["id"], one["rank"], one["blocks"]) for one in answer["results"]]


# --- Who is best sent


def test_the_nearest_by_air_is_the_worst_by_road(
    engine: FakeEngine, company: Persona, phone_of: PhoneOf
) -> None:
    """Between the first technician and the job is a river, and its bridge is far away."""
    river = 26.925
    seen(1, 60.53, 26.92)  # 500 m away, on the other bank
    seen(2, 60.53, 26.99)  # 3 km away, on this one

    def by_bridge(source: Place, target: Place) -> tuple[float, float]:
        crosses = (source.lon < river) != (target.lon < river)
        return (1_500.0, 20_000.0) if crosses else (300.0, 3_500.0)

    engine.roads = by_bridge
    office = phone_of(company, company.dispatcher)
    answer = ranked(office)
    assert places(answer) == [(2, 1, []), (1, 2, [])]
    assert [one["eta"]["seconds"] for one in answer["results"]] == [300, 1_500]
    assert {one["eta"]["provider"] for one in answer["results"]} == {engine.kind}
    assert answer["warnings"] == []
    assert engine.asked == [([Place(60.53, 26.92), Place(60.53, 26.99)], [SITE])]
    # Without it the nearest by air is thought to be best, and it is said how that is known.
    engine.answers = [(500, b"")]
    answer = ranked(office)
    assert places(answer) == [(1, 1, []), (2, 2, [])]
    assert {one["eta"]["provider"] for one in answer["results"]} == {"estimate"}
    assert answer["warnings"] == ["routing_unavailable"]
    assert answer["results"][0]["eta"]["warnings"] == ["routing_unavailable"]


def test_every_factor_is_told(engine: FakeEngine, company: Persona, phone_of: PhoneOf) -> None:
    seen(1, 60.53, 26.92, age=100)
    seen(2, 60.53, 26.94)
    Technician.objects.filter(pk=2).update(skills=["heating"])
    a_job(1, 30, 90)
    engine.roads = lambda source, target: (2_400.0, 30_000.0)
    answer = ranked(phone_of(company, company.owner))
    first, second = answer["results"]
    assert (answer["job_id"], answer["count"]) == (1, 2)
    assert answer["server_time"] == "2026-11-23T09:30:00Z"
    # There at 10:10 for a window until 10:00; then on to the next, where one is due at 11:00.
    factors = {factor["name"]: factor for factor in first["factors"]}
    assert [factor["name"] for factor in first["factors"]] == [
        "skill",
        "position",
        "shift",
        "travel",
        "current_job",
        "late",
        "next_job_late",
    ]
    assert factors["position"] == {
        "name": "position",
        "seconds": 100,
        "measure": 100,
        "blocks": None,
    }
    assert (factors["travel"]["seconds"], factors["current_job"]["seconds"]) == (2_400, 0)
    assert (factors["late"]["seconds"], factors["late"]["measure"]) == (1_800, 600)
    # 11:10 and a minute to park: the next customer is at the same address.
    assert factors["next_job_late"]["measure"] == 660
    assert first["score_seconds"] == sum(factor["seconds"] for factor in first["factors"]) == 6_280
    assert first["technician"] == {"id": 1, "name": f"Tess {company.marker}"}
    assert first["arrives_at"] == "2026-11-23T10:10:00Z"
    assert (first["position_state"], second["position_state"]) == ("delayed", "live")
    assert first["eta"] == {
        "seconds": 2_400,
        "low_seconds": 1_939,
        "high_seconds": 3_221,
        "meters": 30_000,
        "provider": engine.kind,
        "confidence": "medium",
        "warnings": [],
        "position_age_seconds": 100,
    }
    assert (second["rank"], second["blocks"]) == (None, ["lacks_skill"])


@pytest.mark.parametrize(
    ("status", "since", "free"),
    [
        ("arrived", 10, 50 * 60),
        ("arrived", 55, 10 * 60),
        ("arrived", 500, 10 * 60),
        # 60 s to park and 60 minutes of work: one is at the place already.
        ("on_the_way", None, 61 * 60),
    ],
)
def test_who_is_at_another_job_comes_from_there(
    status: str, since: float | None, free: int, company: Persona, phone_of: PhoneOf
) -> None:
    seen(1, 61.0, 27.5)
    a_job(
        1, -60, 0, status=status, lat=61.0, lon=27.5,
        arrived_at=None if since is None else NOW - since * MINUTE,
    )  # fmt: skip
    Position.objects.filter(pk=1).update(lat=61.0 if since is None else 10.0)
    (one, _) = ranked(phone_of(company, company.owner))["results"]
    assert (one["technician"]["id"], one["free_in_seconds"]) == (1, free)
    assert one["eta"]["meters"] == pytest.approx(76_000, rel=0.01)


def test_stale_and_off_shift_are_not_sent(company: Persona, phone_of: PhoneOf) -> None:
    for number in (3, 4, 5):
        create_technician(
            email=f"t{number}@acme.test", password=PASSWORD, name=f"T{number}", color="#000000"
        )
    ids = list(Technician.objects.order_by("id").values_list("id", flat=True))
    seen(ids[0], 60.53, 26.931, age=301)
    seen(ids[1], 60.53, 26.932)
    seen(ids[2], 60.53, 27.5)
    seen(ids[3], 60.53, 26.931)
    # The second's shift is over; the third's goes on; the fourth's begins later.
    for technician, start, end in ((1, -99, -1), (2, -60, 600), (3, 30, 60)):
        Shift.objects.create(
            technician_id=ids[technician],
            starts_at=NOW + start * MINUTE,
            ends_at=NOW + end * MINUTE,
        )
    office = phone_of(company, company.owner)
    assert places(ranked(office)) == [
        (ids[2], 1, []),
        (ids[3], None, ["off_shift"]),
        (ids[1], None, ["off_shift"]),
        (ids[0], None, ["stale_position"]),
        (ids[4], None, ["no_position"]),
    ]
    Policy.objects.create(id=1, delayed_seconds=60, stale_seconds=302, lost_seconds=900)
    assert places(ranked(office))[0] == (ids[0], 1, [])


def test_the_same_question_gets_the_same_answer(company: Persona, phone_of: PhoneOf) -> None:
    seen(1, 60.5, 26.9)
    seen(2, 60.5, 26.9)
    office = phone_of(company, company.owner)
    assert places(ranked(office)) == [(1, 1, []), (2, 2, [])]
    assert ranked(office) == ranked(office)


def test_it_costs_as_many_queries_for_one_as_for_many(company: Persona, phone_of: PhoneOf) -> None:
    office = phone_of(company, company.owner)

    def queries() -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            ranked(office)
        # Without SET search_path, which opens a cursor's first statement.
        tables = [re.findall(r'FROM "(\w+)"', query["sql"]) for query in captured]
        return [" ".join(sorted(set(named))) for named in tables if named]

    expected = [
        "dispatch_phonesession",  # who asks
        "dispatch_job",
        "dispatch_shift dispatch_technician",  # technicians, and whether they have shifts at all
        "dispatch_shift dispatch_technician",
        "tracking_policy",
        "dispatch_technician tracking_position",
        "dispatch_job dispatch_technician",
    ]
    assert queries() == expected
    for number in range(20):
        technician = create_technician(
            email=f"t{number}@acme.test", password=PASSWORD, name=f"T{number}", color="#000000"
        )
        seen(technician.pk, 60.5, 26.9)
        Shift.objects.create(
            technician=technician, starts_at=NOW - 60 * MINUTE, ends_at=NOW + 600 * MINUTE
        )
        a_job(technician.pk, 0, 60)
        a_job(technician.pk, 60, 120)
    assert queries() == expected
    assert ranked(office)["count"] == 22


def test_only_so_many_are_listed(company: Persona, phone_of: PhoneOf, settings: Any) -> None:
    office = phone_of(company, company.owner)
    answer = ranked(office, query="?limit=1")
    assert (len(answer["results"]), answer["count"]) == (1, 2)
    settings.ADVICE_PAGE_SIZE = 1
    assert len(ranked(office)["results"]) == 1
    assert ask(office, "/api/v1/jobs/1/technicians/?limit=2", 400)["errors"] == [
        {"field": "limit", "value": "2", "message": "must be a whole number from 1 to 1"}
    ]


def test_a_technician_may_not_compare(company: Persona, phone_of: PhoneOf) -> None:
    for job in (1, 99):
        answer = ask(phone_of(company), f"/api/v1/jobs/{job}/technicians/", 403)
        assert answer["code"] == "not_a_dispatcher"
        assert company.marker not in str(answer)


@pytest.mark.parametrize("path", ["/api/v1/jobs/99/technicians/", "/api/v1/jobs/99/eta/"])
def test_a_job_that_does_not_exist(path: str, company: Persona, phone_of: PhoneOf) -> None:
    answer = ask(phone_of(company, company.owner), path, 404)
    assert answer == {"detail": "there is no job 99", "code": "unknown_job"}


@pytest.mark.parametrize("number", [2**63, 10**30])
def test_no_number_is_too_large(number: int, company: Persona, phone_of: PhoneOf) -> None:
    office = phone_of(company, company.owner)
    for path in (
        f"jobs/{number}/technicians/",
        f"jobs/{number}/eta/",
        f"technicians/{number}/plan/",
    ):
        ask(office, f"/api/v1/{path}", 404)


# --- When somebody arrives


def test_an_arrival_as_a_range(engine: FakeEngine, company: Persona, phone_of: PhoneOf) -> None:
    seen(1, 60.5, 26.9, age=20, accuracy=0)
    engine.roads = lambda source, target: (1_000.0, 9_000.0)
    for client in (phone_of(company), phone_of(company, company.dispatcher)):
        assert ask(client, "/api/v1/jobs/1/eta/") == {
            "job_id": 1,
            "technician_id": 1,
            "server_time": "2026-11-23T09:30:00Z",
            "position_state": "live",
            "free_in_seconds": 0,
            "eta": {
                "seconds": 1_000,
                "low_seconds": 830,
                "high_seconds": 1_320,
                "meters": 9_000,
                "provider": engine.kind,
                "confidence": "high",
                "warnings": [],
                "position_age_seconds": 20,
            },
            "arrives_at": "2026-11-23T09:46:40Z",
            "earliest_at": "2026-11-23T09:43:50Z",
            "latest_at": "2026-11-23T09:52:00Z",
        }
    assert engine.asked[0] == ([Place(60.5, 26.9)], [SITE])


def test_an_old_position_is_said_and_widens_the_range(company: Persona, phone_of: PhoneOf) -> None:
    seen(1, 60.5, 26.9, age=2_000)
    answer = ask(phone_of(company), "/api/v1/jobs/1/eta/")
    eta = answer["eta"]
    assert answer["position_state"] == "lost"
    assert (eta["provider"], eta["confidence"]) == ("estimate", "low")
    assert (eta["warnings"], eta["position_age_seconds"]) == (["lost_position"], 2_000)
    assert eta["low_seconds"] == 0
    assert eta["high_seconds"] > eta["seconds"] * 1.6 + 2_000 - 1


def test_nobody_knows_from_where(company: Persona, phone_of: PhoneOf) -> None:
    answer = ask(phone_of(company), "/api/v1/jobs/1/eta/")
    assert (answer["eta"], answer["arrives_at"], answer["latest_at"]) == (None, None, None)
    assert answer["position_state"] == "none"


def test_by_way_of_the_current_job(company: Persona, phone_of: PhoneOf) -> None:
    seen(1, 60.5, 26.9)
    a_job(1, -60, 0, status="arrived", arrived_at=NOW - 40 * MINUTE)
    answer = ask(phone_of(company), "/api/v1/jobs/1/eta/")
    assert (answer["free_in_seconds"], answer["eta"]["meters"]) == (1_200, 0)
    # Unless the technician says to be on the way here.
    Job.objects.filter(pk=1).update(status="on_the_way", on_the_way_at=NOW)
    answer = ask(phone_of(company), "/api/v1/jobs/1/eta/")
    assert (answer["free_in_seconds"], answer["eta"]["meters"] > 3_000) == (0, True)


def test_a_technician_may_not_ask_for_others(company: Persona, phone_of: PhoneOf) -> None:
    answer = ask(phone_of(company, company.second_technician), "/api/v1/jobs/1/eta/", 404)
    assert answer["code"] == "unknown_job"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"status": "arrived"}, "job_not_open"),
        ({"status": "done"}, "job_not_open"),
        ({"status": "cancelled", "technician": None}, "job_not_open"),
        ({"status": "unassigned", "technician": None}, "job_unassigned"),
    ],
)
def test_nobody_is_to_arrive(
    fields: dict[str, Any], code: str, company: Persona, phone_of: PhoneOf
) -> None:
    Job.objects.filter(pk=1).update(**fields)
    office = phone_of(company, company.owner)
    assert ask(office, "/api/v1/jobs/1/eta/", 409)["code"] == code
    if code == "job_not_open":
        assert ask(office, "/api/v1/jobs/1/technicians/", 409)["code"] == code
    else:
        assert ranked(office)["count"] == 2


def test_the_technician_has_left_the_company(company: Persona, phone_of: PhoneOf) -> None:
    Technician.objects.filter(pk=1).update(is_active=False)
    office = phone_of(company, company.owner)
    assert ask(office, "/api/v1/jobs/1/eta/", 409)["code"] == "job_unassigned"
    assert [one["technician"]["id"] for one in ranked(office)["results"]] == [2]


# --- A day's order


def test_a_plan_of_the_day(engine: FakeEngine, company: Persona, phone_of: PhoneOf) -> None:
    Technician.objects.filter(pk=1).update(skills=["plumbing"])
    Job.objects.filter(pk=1).delete()
    seen(1, 60.0, 26.0)
    far = a_job(1, 30, 400, lat=60.3, lon=26.0)
    near = a_job(1, 30, 400, lat=60.1, lon=26.0)
    not_able = a_job(1, 30, 400, kind="heating")
    a_job(1, 24 * 60, 25 * 60)  # tomorrow
    a_job(1, -24 * 60, -23 * 60)  # yesterday
    a_job(2, 30, 400)
    a_job(1, 30, 400, status="done")
    engine.roads = lambda source, target: (abs(source.lat - target.lat) * 6_000, 1.0)
    for client in (phone_of(company), phone_of(company, company.dispatcher)):
        assert ask(client, "/api/v1/technicians/1/plan/") == {
            "technician_id": 1,
            "server_time": "2026-11-23T09:30:00Z",
            "provider": engine.kind,
            "warnings": [],
            "results": [
                {
                    "job_id": near.pk,
                    "drive_seconds": 600,
                    "arrives_at": "2026-11-23T09:40:00Z",
                    "begins_at": "2026-11-23T10:00:00Z",
                    "leaves_at": "2026-11-23T11:00:00Z",
                    "late_seconds": 0,
                },
                {
                    "job_id": far.pk,
                    "drive_seconds": 1_200,
                    "arrives_at": "2026-11-23T11:20:00Z",
                    "begins_at": "2026-11-23T11:20:00Z",
                    "leaves_at": "2026-11-23T12:20:00Z",
                    "late_seconds": 0,
                },
            ],
            "unplanned_job_ids": [not_able.pk],
        }


def test_a_plan_begins_when_the_current_job_is_done(company: Persona, phone_of: PhoneOf) -> None:
    seen(1, 60.5, 26.9)
    a_job(1, -60, 0, status="arrived", arrived_at=NOW - 40 * MINUTE)
    (stop,) = ask(phone_of(company), "/api/v1/technicians/1/plan/")["results"]
    assert (stop["job_id"], stop["arrives_at"]) == (1, "2026-11-23T09:51:00Z")


def test_a_plan_without_a_position_begins_at_the_first_job(
    company: Persona, phone_of: PhoneOf
) -> None:
    answer = ask(phone_of(company), "/api/v1/technicians/1/plan/")
    assert (answer["warnings"], answer["provider"]) == (["no_position"], "estimate")
    assert [stop["job_id"] for stop in answer["results"]] == [1]


def test_a_day_with_nothing_left(company: Persona, phone_of: PhoneOf) -> None:
    answer = ask(phone_of(company, company.second_technician), "/api/v1/technicians/2/plan/")
    assert (answer["results"], answer["provider"], answer["unplanned_job_ids"]) == ([], None, [])


def test_a_technician_plans_only_their_own_day(company: Persona, phone_of: PhoneOf) -> None:
    answer = ask(phone_of(company), "/api/v1/technicians/2/plan/", 404)
    assert answer == {"detail": "there is no technician 2", "code": "unknown_technician"}


# --- Their forms


def test_answers_have_the_form_that_the_document_tells(company: Persona, phone_of: PhoneOf) -> None:
    seen(1, 60.5, 26.9)
    office = phone_of(company, company.owner)
    document = ask(office, "/api/schema/?format=json")
    for path, told in (
        ("/api/v1/jobs/1/technicians/", "/api/v1/jobs/{job}/technicians/"),
        ("/api/v1/jobs/1/eta/", "/api/v1/jobs/{job}/eta/"),
        ("/api/v1/technicians/1/plan/", "/api/v1/technicians/{technician}/plan/"),
    ):
        form = document["paths"][told]["get"]["responses"]["200"]
        schema = form["content"]["application/json"]["schema"]
        jsonschema.validate(
            ask(office, path),
            _as_json_schema({**schema, "components": document["components"]}),
            jsonschema.Draft4Validator,
        )
