"""The map tells who looks at it, beside its own work; and what the company changed."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.utils import timezone

from tenants.context import company_scope
from tests.live import WebServer, frames, perform
from tests.tracking.test_map_channel import KARHULA, post, socket_of, watch
from tests.world import Persona
from tracking import watching
from tracking.actions.viewing import record_viewing
from tracking.channels import MapChannel
from tracking.channels import map as channels
from tracking.models import Position, Viewing
from tracking.viewport import Viewport
from tracking.watching import Watch, Watches

pytestmark = pytest.mark.usefixtures("committed")

HERE, AWAY = Viewport(26.9, 60.5, 27.0, 60.6), Viewport(0, 0, 1, 1)


@pytest.fixture(autouse=True)
def _no_viewings(committed: None, acme: Persona) -> None:
    with company_scope(acme.schema):
        Viewing.objects.all().delete()


def place(persona: Persona, technician: int = 1, lat: float = 60.53, lon: float = 26.93) -> None:
    now = timezone.now()
    with company_scope(persona.schema):
        Position.objects.create(
            technician_id=technician, lat=lat, lon=lon, recorded_at=now, received_at=now
        )


def seen(persona: Persona) -> list[tuple[int, int, str]]:
    with company_scope(persona.schema):
        found = Viewing.objects.order_by("viewer_id", "technician_id")
        return list(found.values_list("viewer_id", "technician_id", "what"))


def test_who_opens_the_map_is_told_to_those_shown(
    server: WebServer, acme: Persona, globex: Persona
) -> None:
    post(server, acme, 26.93, 60.53)
    place(acme, 2, lat=0.5, lon=0.5)
    with socket_of(server, acme) as socket:
        identifier, _ = watch(socket, viewport=KARHULA)
        server.wait_for(lambda: seen(acme) == [(2, 1, "live")], "the first viewing")
        perform(socket, identifier, "viewport", viewport=[0, 0, 1, 1])
        frames(socket, 1)
        server.wait_for(lambda: seen(acme) == [(2, 1, "live"), (2, 2, "live")], "the second")
    assert seen(globex) == []


def test_open_maps_are_told_the_ages_that_the_owner_chooses(
    server: WebServer, acme: Persona, globex: Persona
) -> None:
    ages = {"delayed_seconds": 5, "stale_seconds": 10, "lost_seconds": 20}
    with (
        closing(server.phone_of(acme, acme.owner)) as owner,
        socket_of(server, acme) as socket,
        socket_of(server, globex) as other,
    ):
        watch(socket)
        watch(other)
        assert owner.patch("/api/v1/policy/", json={"retention_days": 30}).status_code == 200
        assert owner.patch("/api/v1/policy/", json=ages).status_code == 200
        (frame,) = frames(socket, 1)
        assert frame["message"]["type"] == "technicians"
        assert frame["message"]["thresholds"] == {"delayed": 5, "stale": 10, "lost": 20}
        assert [each["id"] for each in frame["message"]["technicians"]] == [1, 2]
        # The first that the other company's map hears is its own.
        post(server, globex, 1, 1)
        assert frames(other, 1)[0]["message"]["type"] == "changes"


def test_a_viewer_with_many_sockets_is_recorded_once_and_a_failure_stops_nobody(
    acme: Persona, caplog: pytest.LogCaptureFixture
) -> None:
    place(acme)
    asked: list[tuple[int, list[int]]] = []

    def record(*, viewer: int, technicians: Any, what: Any) -> None:
        asked.append((viewer, list(technicians)))
        if viewer == 1:
            raise OperationalError("no")
        record_viewing(viewer=viewer, technicians=technicians, what=what)

    async def look() -> None:
        watches = Watches()
        for viewer in (1, 2, 2, 1, 2):
            watches.note("acme", viewer, None)
        await watches.wait()

    with patch.object(watching, "record_viewing", record), caplog.at_level(logging.ERROR):
        asyncio.run(look())
    assert asked == [(1, [1]), (2, [1])]
    assert seen(acme) == [(2, 1, "live")]
    assert [record.getMessage() for record in caplog.records] == [
        "that user 1 of acme looks at the map is not told"
    ]


def test_every_part_that_was_looked_at_counts_and_too_many_are_the_whole_map(
    acme: Persona, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(acme)
    place(acme, 2, lat=0.5, lon=0.5)

    async def look(*parts: Viewport) -> None:
        watches = Watches()
        for part in parts:
            watches.note("acme", 2, part)
        await watches.wait()

    asyncio.run(look(Viewport(5, 5, 6, 6)))
    assert seen(acme) == []
    asyncio.run(look(HERE))
    assert seen(acme) == [(2, 1, "live")]
    monkeypatch.setattr(settings, "VIEWING_MAX_PARTS", 2)
    asyncio.run(look(*(Viewport(5, 5, 6, 6 + n) for n in range(3))))
    assert seen(acme) == [(2, 1, "live"), (2, 2, "live")]


def test_an_open_map_tells_again_and_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[Viewport | None] = []
    monkeypatch.setattr(watching.watches, "note", lambda schema, viewer, part: noted.append(part))
    timers: list[Any] = []

    class Timer:
        def __init__(self, seconds: float, call: Any, *args: Any) -> None:
            self.seconds, self.call, self.cancelled = seconds, lambda: call(*args), False
            timers.append(self)

        def cancel(self) -> None:
            self.cancelled = True

    class Loop:
        call_later = Timer

    monkeypatch.setattr(watching.asyncio, "get_running_loop", Loop)
    watch = Watch("acme", 2, HERE)
    timers[-1].call()
    watch.look_at(AWAY)
    watch.end()
    assert set(noted[:3]) == {HERE}
    assert noted[-2:] == [AWAY, AWAY]
    assert {timer.seconds for timer in timers} == {settings.VIEWING_TICK_SECONDS}
    assert [timer.cancelled for timer in timers] == [True] * len(timers)


def test_two_that_look_in_the_same_moment_make_one_row(acme: Persona) -> None:
    count = 4
    together = threading.Barrier(count)

    def one(_: int) -> None:
        try:
            with company_scope(acme.schema):
                together.wait(10)
                record_viewing(viewer=2, technicians=[1, 2], what=Viewing.What.LIVE)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as threads:
        for _ in range(5):
            list(threads.map(one, range(count)))
            assert seen(acme) == [(2, 1, "live"), (2, 2, "live")]
            with company_scope(acme.schema):
                Viewing.objects.all().delete()


def test_after_a_loss_the_map_is_told_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by a new connection of every viewer: Valkey that came back has enough to do."""
    did: list[Any] = []

    class Told(MapChannel):
        def __init__(self) -> None:
            self._watch = type("Watched", (), {"part": HERE})()  # type: ignore[assignment]

        identity = type("Someone", (), {"company": type("C", (), {"schema": "acme"})})  # type: ignore[assignment]

        async def run(self, work: Any, /, *args: Any, **kwargs: Any) -> Any:
            return channels.Refused(action=work.__name__, errors=[])

        def transmit(self, message: Any) -> None:
            did.append(message["action"])

        def stop_stream(self, stream: str) -> None:
            did.append(("stop", stream))

        async def stream_state(self, stream: str, *, load: Any, only: Any = None) -> None:
            did.append(("state", stream, only))

    asyncio.run(Told().resync())
    assert did == [
        ("stop", "acme.map"),
        "technicians_on_map",
        ("state", "acme.map", HERE),
    ]
