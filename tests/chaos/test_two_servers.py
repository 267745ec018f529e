"""Fifty phones at two server processes, while one of two companies cannot be stored."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from tests.live import WebServer
from tests.world import Persona

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

PHONES = 50
UPLOADS = 12
START = datetime(2026, 11, 22, 8, tzinfo=UTC)


@pytest.fixture
def servers(database_url: str, committed: None, tmp_path: Path) -> Iterator[list[WebServer]]:
    both = [
        WebServer(tmp_path / f"{name}.log", environment={"DATABASE_URL": database_url})
        for name in ("one", "other")
    ]
    for server in both:
        server.start()
    yield both
    for server in both:
        server.stop()


class Phone:
    """Posts to both servers in turn; what was not taken it sends again at the end."""

    def __init__(self, servers: list[WebServer], persona: Persona, number: int) -> None:
        self.persona, self._number = persona, number
        email = (persona.technician, persona.second_technician)[number // 2 % 2]
        self._clients = [server.phone_of(persona, email) for server in servers]
        self.statuses: Counter[int] = Counter()
        self.unsent: list[list[dict[str, object]]] = []
        self.acknowledged = 0

    def run(self, go: threading.Barrier) -> None:
        go.wait()
        for upload in range(UPLOADS):
            self.post(upload, [self._fix(upload * 3 + n) for n in range(3)])

    def send_again(self) -> None:
        unsent, self.unsent = self.unsent, []
        for number, batch in enumerate(unsent):
            self.post(number, batch)

    def post(self, upload: int, batch: list[dict[str, object]]) -> None:
        client = self._clients[(self._number + upload) % 2]
        answer = client.post("/api/v1/fixes/", json=batch)
        self.statuses[answer.status_code] += 1
        if answer.status_code == 200:
            assert answer.json()["stored"] == len(batch)
            self.acknowledged += len(batch)
        else:
            assert answer.headers["Retry-After"] == "2"
            self.unsent.append(batch)

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def _fix(self, second: int) -> dict[str, object]:
        return {
            "id": str(uuid.uuid4()),
            "recorded_at": (START + timedelta(seconds=second)).isoformat(),
            "lat": 60 + self._number / 1e4,
            "lon": 26.9,
        }


def test_a_broken_company_costs_the_other_nothing(
    servers: list[WebServer], acme: Persona, globex: Persona, database_url: str
) -> None:
    personas = (acme, globex)
    phones = [Phone(servers, personas[number % 2], number) for number in range(PHONES)]
    go = threading.Barrier(PHONES)
    with psycopg.connect(database_url, autocommit=True) as database:
        rename = f"ALTER TABLE {globex.schema}.%s RENAME TO %s"
        database.execute(rename % ("tracking_fix", "tracking_mislaid"))  # type: ignore[call-overload]
        try:
            with ThreadPoolExecutor(PHONES) as threads:
                for done in [threads.submit(phone.run, go) for phone in phones]:
                    done.result()
        finally:
            database.execute(rename % ("tracking_mislaid", "tracking_fix"))  # type: ignore[call-overload]
        for phone in phones:
            expected = {200: UPLOADS} if phone.persona is acme else {503: UPLOADS}
            assert phone.statuses == expected
        # Repaired, it takes all that its phones have kept.
        for phone in phones:
            phone.send_again()
            assert (phone.acknowledged, phone.unsent) == (UPLOADS * 3, [])
            phone.close()
        for persona in personas:
            with closing(database.cursor()) as cursor:
                cursor.execute(f"SELECT count(*) FROM {persona.schema}.tracking_fix")  # type: ignore[call-overload]
                assert cursor.fetchone() == (PHONES // 2 * UPLOADS * 3,)
                waiting = f"SELECT count(*) FROM {persona.schema}.tracking_recount"
                servers[0].wait_for(
                    lambda query=waiting: database.execute(query).fetchone() == (0,),  # type: ignore[misc]
                    "settled tracks",
                )
