"""The health of the cable as its metrics tell it: what waits, the layer, the loop, the end."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from pytest_django import Settings

from cable import abroadcast, metrics, sender
from cable.conflation import Stats as ConflationStats
from cable.handshake import Pings
from cable.hub import Hub
from cable.sender import running_senders
from cable.servers import state
from cable.stats import Stats
from cable.ticker import Ticker
from tests.cable.channels import identifier
from tests.cable.conftest import Open
from tests.cable.layers import ScriptedLayer
from tests.cable.polling import until
from tests.cable.resuming import resumed, with_session
from tests.cable.scraping import changed, scrape
from tests.cable.unruly import UnrulyStore

A = identifier("stream")


async def test_sessions(open_socket: Open, store: UnrulyStore) -> None:
    socket = await with_session(open_socket, store, A)
    before = scrape()
    await resumed(open_socket, socket)
    await resumed(open_socket, socket)
    now = changed(before)
    assert now['cable_session_restores_total{outcome="restored"}'] == 1
    assert now['cable_session_restores_total{outcome="not_restored"}'] == 1


async def test_broadcasts_that_wait(
    layer: ScriptedLayer, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "_RETRY", 0.01)
    before = scrape()["cable_broadcasts_waiting"]
    layer.down = True
    for number in range(3):
        await abroadcast("stream", {"n": number})
    assert scrape()["cable_broadcasts_waiting"] - before == 3
    layer.down = False
    await until(lambda: scrape()["cable_broadcasts_waiting"] == before)


def test_senders_of_loops_that_ended_are_forgotten() -> None:
    async def send() -> None:
        await abroadcast("stream", {"n": 1})

    gc.collect()
    before = len(running_senders())
    for _ in range(3):
        asyncio.run(send())
    gc.collect()
    assert len(running_senders()) == before


def test_age_of_the_last_good_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    hubs: list[SimpleNamespace] = []
    monkeypatch.setattr(metrics, "time", SimpleNamespace(monotonic=lambda: 107.5))
    monkeypatch.setattr(metrics, "running_hubs", lambda: hubs)

    def age() -> float | None:
        return scrape().get("cable_layer_probe_age_seconds")

    def hub(heard_at: float | None) -> SimpleNamespace:
        return SimpleNamespace(
            heard_at=heard_at,
            connections=(),
            identities=0,
            draining=False,
            streams=Streams(),
            presence=SimpleNamespace(members=0),
        )

    class Streams(list[None]):
        conflation_stats = ConflationStats()

    assert age() is None
    hubs.append(hub(None))
    assert age() is None
    hubs.append(hub(105.0))
    assert age() == 2.5
    hubs.append(hub(100.0))
    assert age() == 7.5


@pytest.fixture
async def probed(layer: ScriptedLayer, settings: Settings) -> AsyncIterator[Hub]:
    settings.CABLE = {**settings.CABLE, "probe_interval": 0.02, "layer_timeout": 0.05}
    hub = Hub.current()
    yield hub
    await hub.close()


async def test_every_probe_that_comes_back_is_observed(
    probed: Hub, layer: ScriptedLayer, caplog: pytest.LogCaptureFixture
) -> None:
    count = "cable_layer_round_trip_seconds_count"
    before = scrape()
    assert probed.heard_at is None
    probed._memberships.start()
    started = probed.heard_at
    assert started is not None
    await until(lambda: scrape()[count] - before[count] >= 3)
    heard = probed.heard_at
    assert heard is not None
    assert heard > started
    layer.hanging = True
    await until(lambda: caplog.text.count("does not deliver") == 1)
    lost = (probed.heard_at, scrape()[count])
    interruptions = "cable_layer_interruptions_total"
    assert scrape()[interruptions] == before[interruptions]
    await until(lambda: caplog.text.count("does not deliver") == 3)
    assert (probed.heard_at, scrape()[count]) == lost
    layer.hanging = False
    await until(lambda: scrape()[interruptions] == before[interruptions] + 1)
    await until(lambda: scrape()[count] > lost[1])


async def test_a_loop_that_was_held_up_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([10.0, 10.25, 20.0, 20.0])
    clock = SimpleNamespace(perf_counter=lambda: next(moments, 20.0), time_ns=lambda: 0)
    monkeypatch.setattr("cable.ticker.time", clock)
    stats = Stats()
    monkeypatch.setattr("cable.ticker.stats", stats)
    ticker = Ticker(Pings(0.1, "s"))
    ticker.add(Mock())
    await until(lambda: sum(stats.loop_lag.counts) >= 2)
    await ticker.close()
    # It wanted to sleep for 0.01 s and slept 0.25; then it woke too early, which is not late.
    assert 0.235 < stats.loop_lag.sum < 0.25
    assert stats.loop_lag.counts[stats.loop_lag.bounds.index(0.25)] == 1
    assert stats.loop_lag.counts[0] >= 1


async def test_draining(hub: Hub, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert scrape()["cable_draining"] == 0
    with monkeypatch.context() as patch:
        patch.setattr(state, "_draining", True)
        assert scrape()["cable_draining"] == 1
    assert scrape()["cable_draining"] == 0
    await hub.drain()
    assert scrape()["cable_draining"] == 1
