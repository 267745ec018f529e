"""A member of the fleet behaves like a phone in a van; the program starts and ends cleanly."""

import asyncio
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from demo import fleet
from demo.crew import Member
from demo.phone import Phone, PhoneError
from demo.site import Site
from demo.streets import distance, load_streets
from demo.world import load_company
from tests.demo.fake_sera import FakeSera, SteppedClock

ROOT = Path(__file__).resolve().parents[2]
# Real seconds until a test gives up waiting for something that takes a fraction of it.
DEADLINE = 20.0

JOBS = [
    {
        "id": number,
        "title": f"Job {number}",
        "status": status,
        "address": f"Street {number}",
        "lat": lat,
        "lon": lon,
    }
    for number, (status, lat, lon) in enumerate(
        [
            ("done", 60.5221, 26.96068),
            ("scheduled", 60.53239, 26.96268),
            ("scheduled", None, None),
            ("assigned", 60.52553, 26.95816),
        ],
        start=1,
    )
]


@pytest.fixture
def sera() -> Iterator[FakeSera]:
    with FakeSera(jobs=JOBS) as fake:
        yield fake


@pytest.fixture(autouse=True)
def _time_waits_for_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    request = Phone._request

    async def counted(self: Phone, *args: Any, **options: Any) -> Any:
        if not isinstance(self._clock, SteppedClock):
            return await request(self, *args, **options)
        self._clock.in_flight += 1
        try:
            return await request(self, *args, **options)
        finally:
            self._clock.in_flight -= 1

    monkeypatch.setattr(Phone, "_request", counted)


def member(sera: FakeSera, said: list[str], **changes: Any) -> Member:
    company = load_company("acme")
    options: dict[str, Any] = {
        "company": company,
        "technician": company.technicians[0],
        "site": Site.parse(sera.url),
        "password": "demo-sera",
        "clock": SteppedClock(),
        "rng": random.Random(11),
        "speed": 1.0,
        "log": said.append,
    }
    return Member(**(options | changes))


async def work_until(person: Member, done: Callable[[], bool]) -> None:
    """Let a member work until something has happened."""
    clock = person._clock
    assert isinstance(clock, SteppedClock)
    working = asyncio.create_task(person.work())
    deadline = time.monotonic() + DEADLINE
    while not done():
        if working.done():
            working.result()
        assert time.monotonic() < deadline
        await clock.step()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


def fixes(sera: FakeSera) -> list[dict[str, Any]]:
    return sorted(sera.stored.values(), key=lambda fix: str(fix["recorded_at"]))


async def test_a_technician_visits_the_open_jobs_in_turn(sera: FakeSera) -> None:
    said: list[str] = []
    await work_until(member(sera, said), lambda: sum("arrived" in line for line in said) >= 3)
    moves = [line.split(": ", 1)[1] for line in said if "on the way" in line or "arrived" in line]
    assert [move.split(",")[0] for move in moves[:6]] == [
        "on the way to Street 2 (Job 2)",
        "arrived at Street 2 (Job 2)",
        "on the way to Street 4 (Job 4)",
        "arrived at Street 4 (Job 4)",
        "on the way to Street 2 (Job 2)",
        "arrived at Street 2 (Job 2)",
    ]


async def test_the_same_seed_lives_the_same_day(sera: FakeSera) -> None:
    days = []
    for seed in (11, 11, 12):
        sera.stored.clear()
        person = member(sera, [], rng=random.Random(seed))
        await work_until(person, lambda: len(sera.stored) >= 60)
        days.append(fixes(sera)[:60])
    assert days[0] == days[1]
    assert days[0] != days[2]


async def test_fixes_look_like_a_phones(sera: FakeSera) -> None:
    person = member(sera, [])
    await work_until(person, lambda: len(sera.stored) >= 150)
    streets = load_streets("acme")
    sent = fixes(sera)
    assert {key for fix in sent for key in fix} == {
        *("id", "recorded_at", "lat", "lon", "accuracy", "speed", "heading"),
        *("battery", "charging", "activity"),
    }
    for fix in sent:
        assert 3.5 <= fix["accuracy"] <= 9
        assert 0 <= fix["speed"] <= 28
        assert 0 < fix["battery"] <= 1
        nearest = streets.nodes[streets.nearest((fix["lat"], fix["lon"]))]
        assert distance(nearest, (fix["lat"], fix["lon"])) < 50
    times = [datetime.fromisoformat(fix["recorded_at"]) for fix in sent]
    gaps = {(b - a).total_seconds() for a, b in pairwise(times)}
    assert min(gaps) >= 1
    assert 2 in gaps
    assert 30 in gaps
    assert max(gaps) <= 31
    assert {fix["activity"] for fix in sent} == {"in_vehicle", "still"}


async def test_without_signal_fixes_wait_and_then_go_as_a_batch(sera: FakeSera) -> None:
    events: list[tuple[str, int]] = []

    def log(line: str) -> None:
        events.append((line.split(": ", 1)[1].split(",")[0], len(sera.posts())))

    def sent_what_waited() -> bool:
        words = [event for event, _ in events]
        return "has signal again" in words and words[-1].endswith("fixes at once")

    await work_until(member(sera, [], log=log), sent_what_waited)
    posts = dict(events)
    # One may have been on its way when the signal went; then nothing until it is back.
    assert posts["has signal again"] - posts["lost the signal"] <= 1
    later = sera.posts()[posts["has signal again"] :]
    batch = next(post.body for post in later if isinstance(post.body, list))
    assert len(batch) >= 5
    moments = [datetime.fromisoformat(fix["recorded_at"]) for fix in batch]
    assert moments == sorted(moments)


@pytest.mark.parametrize(("place", "least", "most"), [(0, 20, 71), (-1, 380, 481)])
async def test_the_last_driver_of_a_company_stays_away_until_the_map_turns_grey(
    sera: FakeSera, place: int, least: float, most: float
) -> None:
    drivers = [technician for technician in load_company("acme").technicians if technician.drives]
    clock = SteppedClock()
    signals: list[datetime] = []

    def log(line: str) -> None:
        if "signal" in line:
            signals.append(clock.now())

    person = member(sera, [], technician=drivers[place], clock=clock, log=log)
    await work_until(person, lambda: len(signals) >= 2)
    assert least <= (signals[1] - signals[0]).total_seconds() <= most


async def test_a_technician_drives_on_while_the_server_is_away(sera: FakeSera) -> None:
    said: list[str] = []
    person = member(sera, said)
    sera.faults = [(503, {})] * 5
    await work_until(person, lambda: len(sera.stored) >= 20)
    assert sum("answers 503; trying again" in line for line in said) == 1
    assert sum("answers again" in line for line in said) == 1
    late = next(post.body for post in sera.posts() if isinstance(post.body, list))
    assert len(late) >= 2


async def test_somebody_elses_fix_makes_the_fleet_stand_aside(sera: FakeSera) -> None:
    clock = SteppedClock()
    events: list[tuple[str, datetime, int]] = []

    def log(line: str) -> None:
        events.append((line.split(": ", 1)[1].split(";")[0], clock.now(), len(sera.posts())))

    def curled_and_driving_on() -> bool:
        """After ten fixes post one by hand; true once the fleet has been aside."""
        if len(sera.stored) >= 10 and not sera.positions:
            moment = clock.now() + timedelta(milliseconds=1, microseconds=7)
            sera.positions = [{"technician_id": 1, "recorded_at": moment.isoformat()}]
        return any(event == "drives on" for event, _, _ in events)

    await work_until(member(sera, [], clock=clock, log=log), curled_and_driving_on)
    by_event = {event: (moment, posts) for event, moment, posts in events}
    aside = by_event["another phone posts for this technician"]
    drives_on = by_event["drives on"]
    assert drives_on[1] == aside[1]  # posted nothing in between
    curled = datetime.fromisoformat(sera.positions[0]["recorded_at"])
    assert timedelta(seconds=60) <= drives_on[0] - curled < timedelta(seconds=120)


async def test_rejected_fixes_are_told(sera: FakeSera) -> None:
    said: list[str] = []
    original = sera._fix

    def refuse(fix: dict[str, Any]) -> dict[str, Any]:
        return original(fix | {"lat": 91})

    sera._fix = refuse  # type: ignore[method-assign]
    await work_until(
        member(sera, said, quiet=True), lambda: any("rejected" in line for line in said)
    )
    assert said[0].endswith("acme Ada Fox: a fix was rejected: lat=91: must be from -90 to 90")


async def test_a_refused_login_ends_the_work(sera: FakeSera) -> None:
    with pytest.raises(PhoneError, match=r"refuses the login of ada.fox@acme.test: 401"):
        await member(sera, [], password="guess").work()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "START_SPREAD_SECONDS", 0.0)


@pytest.mark.usefixtures("at_once")
def test_the_program_ends_by_itself_after_its_duration(
    sera: FakeSera, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--company", "acme", "--port", str(sera.port), "--duration", "0.3", "--seed", "1"]
    assert fleet.main(arguments) == 0
    logins = {r.body["email"] for r in sera.requests if r.path == "/api/v1/auth/token/"}
    assert logins <= {technician.email for technician in load_company("acme").technicians}
    assert capsys.readouterr().out.splitlines()[-1].startswith("fleet: 6 technicians, ")


@pytest.mark.usefixtures("at_once")
def test_the_program_fails_when_nobody_is_let_in(
    sera: FakeSera, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--company", "acme", "--port", str(sera.port), "--password", "guess"]
    assert fleet.main(arguments) == 1
    said = capsys.readouterr().out
    assert said.count("stops: http://acme.localhost") == 6
    assert sera.stored == {}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--speed", "0"], "--speed is 0.0; it must be above 0"),
        (["--company", "initech"], "invalid choice: 'initech'"),
        (["--base-url-template", "http://sera.example"], "lacks {schema}"),
    ],
)
def test_wrong_usage_is_explained(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        fleet.main(arguments)
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_program_cleanly(sera: FakeSera, number: int) -> None:
    command = [sys.executable, "-m", "demo.fleet", "--company", "acme", "--port", str(sera.port)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + DEADLINE
        while not sera.requests:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)
        out, err = process.communicate(timeout=DEADLINE)
    finally:
        process.kill()
    assert process.returncode == 0
    assert err == ""
    assert out.splitlines()[-1].startswith("fleet: 6 technicians, ")
