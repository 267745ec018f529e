"""What was acknowledged is there, once, whatever is killed meanwhile.

Phones post as real ones do: each keeps a fix until it has seen a 2xx for it, and sends it again
after any other answer or none. Database and web server are killed and started again.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg
import pytest

from sera.services.ports import unused
from sera.services.postgres import PostgresServer
from tests.live import Process, WebServer
from tests.world import Persona

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

PHONES = 8
KILLS = 2
PROGRESS_SECONDS = 90
# A phone gives up a fix after this many tries; the test then fails, as it must not come to it.
MAX_TRIES = 400
RETRY_SECONDS = 0.05
START = datetime(2026, 11, 22, 8, tzinfo=UTC)


class Durable:
    """A durable database with both companies, and a web server on it."""

    def __init__(self, folder: Path) -> None:
        self.postgres = PostgresServer(folder / "postgres", unused(), durable=True)
        self.postgres.start()
        self._environment = {"DATABASE_URL": self.postgres.url}
        create = Process(
            ["-m", "tests.chaos.create_world"], folder / "create.log", self._environment
        )
        create.start()
        assert create.wait() == 0, create.log.read_text()
        self.web = WebServer(folder / "web.log", environment=self._environment)
        self.web.start()

    def stored(self) -> dict[str, list[tuple[int, str]]]:
        with psycopg.connect(self.postgres.url) as database:
            return {
                schema: sorted(
                    (technician, str(number))
                    for technician, number in database.execute(
                        f"SELECT technician_id, id FROM {schema}.tracking_fix"
                    )
                )
                for schema in ("acme", "globex")
            }

    def stop(self) -> None:
        self.web.stop()
        self.postgres.stop()


@pytest.fixture
def durable(tmp_path: Path) -> Iterator[Durable]:
    place = Durable(tmp_path)
    yield place
    place.stop()


class Phone:
    """Posts fixes of one technician in small batches until told to stop."""

    def __init__(
        self, web: WebServer, persona: Persona, email: str, technician: int, number: int
    ) -> None:
        self.schema, self.technician = persona.schema, technician
        # A place of its own: another phone's fix of the same moment and place would be known.
        self._lon = 26.9 + number / 1e5
        self._client = web.phone_of(persona, email)
        self.acknowledged: list[tuple[int, str]] = []
        self.retries = 0

    def run(self, stop: threading.Event) -> None:
        second = 0
        while not stop.is_set():
            batch = [self._fix(second + n) for n in range(1 + second % 3)]
            second += len(batch)
            for item in self._deliver(batch):
                assert item["status"] in ("stored", "duplicate"), item
                self.acknowledged.append((self.technician, item["id"]))

    def _deliver(self, batch: list[dict[str, object]]) -> list[dict[str, str]]:
        for _ in range(MAX_TRIES):
            try:
                answer = self._client.post("/api/v1/fixes/", json=batch)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == 200:
                results: list[dict[str, str]] = answer.json()["results"]
                return results
            assert answer is None or answer.status_code == 503, answer.text
            self.retries += 1
            time.sleep(RETRY_SECONDS)
        raise AssertionError(f"{batch} was not taken in {MAX_TRIES} tries")

    def _fix(self, second: int) -> dict[str, object]:
        moment = START + timedelta(seconds=second)
        return {
            "id": str(uuid.uuid4()),
            "recorded_at": moment.isoformat(),
            "lat": 60.5 + second / 1e5,
            "lon": self._lon,
        }


@pytest.mark.parametrize("victim", ["postgres", "web"])
def test_every_acknowledged_fix_is_there_once(
    durable: Durable, victim: str, acme: Persona, globex: Persona
) -> None:
    persons = [
        (persona, email, technician)
        for persona in (acme, globex)
        for email, technician in ((persona.technician, 1), (persona.second_technician, 2))
    ]
    phones = [Phone(durable.web, *persons[n % len(persons)], n) for n in range(PHONES)]
    stop = threading.Event()
    killed: PostgresServer | WebServer = getattr(durable, victim)
    with ThreadPoolExecutor(PHONES) as threads:
        running = [threads.submit(phone.run, stop) for phone in phones]
        try:
            for _ in range(KILLS):
                _wait_for_more(phones, 200)
                _kill_until_felt(killed, phones)
                killed.start()
            _wait_for_more(phones, 100)
        finally:
            stop.set()
        for phone in running:
            phone.result()

    assert _retries(phones) >= KILLS
    for schema, stored in durable.stored().items():
        acknowledged = [
            entry for phone in phones if phone.schema == schema for entry in phone.acknowledged
        ]
        assert len(acknowledged) == len(set(acknowledged))
        # Every phone stayed until all of its fixes were acknowledged: nothing is missing, and
        # nothing is there that was not sent.
        assert stored == sorted(acknowledged)


def _kill_until_felt(killed: PostgresServer | WebServer, phones: list[Phone]) -> None:
    """Kill, and stay away until a phone was refused.

    The pool of connections bridges a short absence so well that no phone would notice.
    """
    before = _retries(phones)
    killed.kill()
    _wait(lambda: _retries(phones) > before, "a phone being refused")


def _retries(phones: list[Phone]) -> int:
    return sum(phone.retries for phone in phones)


def _wait_for_more(phones: list[Phone], count: int) -> None:
    """Until the phones had `count` more fixes acknowledged together."""

    def total() -> int:
        return sum(len(phone.acknowledged) for phone in phones)

    enough = total() + count
    _wait(lambda: total() >= enough, f"{count} fixes getting through")


def _wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PROGRESS_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {PROGRESS_SECONDS} s")
        time.sleep(0.02)
