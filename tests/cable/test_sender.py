"""Broadcasts while the layer or the store are away: late, once, in order; or lost and said so."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pytest_django import Settings

from cable import (
    abroadcast,
    abroadcast_state,
    adisconnect_identity,
    broadcast,
    disconnect_identity,
    sender,
)
from cable.conflation import State
from cable.hub import Hub
from cable.sender import current_sender
from cable.stats import stats
from tests.cable.layers import ScriptedLayer
from tests.cable.polling import until
from tests.cable.sink import Sink
from tests.cable.unruly import UnrulyStore

REJECT_HISTORY = {"type": "reject_history", "identifier": "a"}


@pytest.fixture(autouse=True)
def soon(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "_RETRY", 0.01)
    # The layer's own watch over it would also find out.
    settings.CABLE = {**settings.CABLE, "probe_interval": 60.0, "broadcast_timeout": 0.1}


@pytest.fixture
async def served(layer: ScriptedLayer, soon: None) -> AsyncIterator[Hub]:
    hub = Hub.current()
    yield hub
    await hub.close()


@pytest.fixture
async def sink(served: Hub) -> Sink:
    """An extended subscription to "stream" and "plain"."""
    sink = Sink(extended=True)
    for stream in ("stream", "plain"):
        await served.streams.join(stream, sink)
    return sink


def hear(layer: ScriptedLayer, *groups: str) -> list[dict[str, Any]]:
    """What another process gets."""
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    heard: list[dict[str, Any]] = []
    queue.put_nowait = heard.append  # type: ignore[method-assign]
    layer.queues["other"] = queue
    for group in groups:
        layer.groups[group].add("other")
    return heard


@pytest.mark.parametrize("fault", ["down", "hanging"])
async def test_messages_wait_for_the_layer_and_arrive_once_in_order(
    layer: ScriptedLayer, sink: Sink, store: UnrulyStore, fault: str
) -> None:
    retried = stats.broadcasts_retried
    setattr(layer, fault, True)
    for number in (1, 2, 3):
        await abroadcast("stream", {"n": number})
    setattr(layer, fault, False)
    await abroadcast("stream", {"n": 4})
    await until(lambda: len(sink.messages) == 4)
    assert sink.messages == [{"n": number} for number in (1, 2, 3, 4)]
    assert [frame["offset"] for frame in sink.received] == [1, 2, 3, 4]
    assert await store.messages() == [f'{{"n":{number}}}' for number in (1, 2, 3, 4)]
    assert sink.resyncs == 0
    assert stats.broadcasts_retried - retried == 4


async def test_messages_wait_for_the_store(
    layer: ScriptedLayer, sink: Sink, store: UnrulyStore
) -> None:
    store.fails.add("append")
    for number in (1, 2):
        await abroadcast("stream", {"n": number})
    await until(lambda: store.calls.count("append") > 3)
    assert sink.messages == []
    store.fails.clear()
    await until(lambda: len(sink.messages) == 2)
    assert sink.messages == [{"n": 1}, {"n": 2}]
    assert await store.messages() == ['{"n":1}', '{"n":2}']


async def test_message_whose_answer_was_lost_is_stored_once(sink: Sink, store: UnrulyStore) -> None:
    store.loses.add("append")
    await abroadcast("stream", {"n": 1})
    await until(lambda: store.calls.count("append") > 3)
    store.loses.clear()
    await abroadcast("stream", {"n": 1})  # another one that says the same
    await until(lambda: len(sink.messages) == 2)
    assert [frame["offset"] for frame in sink.received] == [1, 2]
    assert await store.messages() == ['{"n":1}', '{"n":1}']


async def test_nothing_overtakes_what_waits(
    layer: ScriptedLayer, sink: Sink, store: UnrulyStore
) -> None:
    store.fails.add("append")
    await abroadcast("stream", {"n": 1})
    store.fails.clear()
    await abroadcast("stream", {"n": 2})
    assert await store.messages() == []
    await until(lambda: len(sink.messages) == 2)
    assert sink.messages == [{"n": 1}, {"n": 2}]


async def test_lost_message_without_history_is_said(layer: ScriptedLayer, sink: Sink) -> None:
    lost = stats.broadcasts_lost
    layer.down = True
    for number in (1, 2):
        await abroadcast("plain", {"n": number})
    assert sink.resyncs == 0
    layer.down = False
    await until(lambda: sink.resyncs)
    await abroadcast("plain", {"n": 3})
    await until(lambda: sink.messages)
    assert sink.messages == [{"n": 3}]
    assert sink.received == [{"identifier": "a", "message": {"n": 3}}]
    assert sink.resyncs == 1
    assert stats.broadcasts_lost - lost == 2


async def test_what_does_not_fit_is_said_to_be_lost(
    settings: Settings, layer: ScriptedLayer, sink: Sink, served: Hub, store: UnrulyStore
) -> None:
    settings.CABLE = {**settings.CABLE, "max_waiting_broadcasts": 2}
    base = Sink("b")
    await served.streams.join("stream", base)
    epoch = await store.epoch()
    layer.down = True
    for number in (1, 2, 3, 4):
        await abroadcast("stream", {"n": number})
    layer.down = False
    await until(lambda: base.resyncs)
    assert base.messages == sink.messages == [{"n": 1}, {"n": 2}]
    assert sink.received[2:] == [REJECT_HISTORY]
    assert (base.resyncs, sink.resyncs) == (1, 1)
    assert await store.epoch() != epoch
    await abroadcast("stream", {"n": 5})
    await until(lambda: len(sink.messages) == 3)
    last = sink.received[-1]
    assert (last["message"], last["offset"]) == ({"n": 5}, 1)
    assert last["epoch"] == await store.epoch()


@pytest.mark.parametrize("away", ["layer", "store"])
async def test_what_waits_too_long_is_said_to_be_lost(
    settings: Settings, layer: ScriptedLayer, sink: Sink, store: UnrulyStore, away: str
) -> None:
    settings.CABLE = {**settings.CABLE, "broadcast_retry_seconds": 0.05}
    epoch, lost = await store.epoch(), stats.broadcasts_lost
    if away == "layer":
        layer.down = True
    else:
        store.fails.add("all")
    await abroadcast("stream", {"n": 1})
    await until(lambda: stats.broadcasts_lost - lost == 1)
    layer.down = False
    store.fails.clear()
    await until(lambda: sink.resyncs)
    assert sink.received == [REJECT_HISTORY]
    assert await store.epoch() != epoch
    assert await store.messages() == []
    await abroadcast("stream", {"n": 2})
    await until(lambda: sink.messages == [{"n": 2}])


async def test_disconnect_waits_for_the_layer(layer: ScriptedLayer) -> None:
    heard = hear(layer, "cable-control")
    layer.down = True
    await adisconnect_identity("ann", reconnect=False)
    layer.down = False
    await until(lambda: heard)
    assert heard == [{"type": "cable.disconnect", "identity": "ann", "reconnect": False}]


async def test_lost_state_is_said_of_its_stream(layer: ScriptedLayer) -> None:
    heard = hear(layer, "cable.plain.map")
    layer.down = True
    await abroadcast_state("plain.map", {"key": State(1, {"x": 1})})
    layer.down = False
    await until(lambda: heard)
    assert heard == [{"type": "cable.gap", "stream": "plain.map"}]


async def test_excluded_socket_stays_excluded(layer: ScriptedLayer, served: Hub) -> None:
    writer, reader = Sink(sid="writer"), Sink(sid="reader")
    for sink in (writer, reader):
        await served.streams.join("stream", sink)
    layer.down = True
    await abroadcast("stream", {"n": 1}, exclude="writer")
    await abroadcast("stream", {"n": 2})
    layer.down = False
    await until(lambda: len(reader.messages) == 2)
    assert reader.messages == [{"n": 1}, {"n": 2}]
    assert writer.messages == [{"n": 2}]


async def test_threads_beside_a_hub_hand_over_what_waits(layer: ScriptedLayer, sink: Sink) -> None:
    layer.down = True
    for number in (1, 2):
        await asyncio.to_thread(broadcast, "stream", {"n": number})
    layer.down = False
    await asyncio.to_thread(broadcast, "stream", {"n": 3})
    await until(lambda: len(sink.messages) == 3)
    assert sink.messages == [{"n": 1}, {"n": 2}, {"n": 3}]


async def test_messages_of_many_threads_each_arrive_once(
    layer: ScriptedLayer, sink: Sink, store: UnrulyStore
) -> None:
    def send(thread: int) -> None:
        for number in range(10):
            broadcast("stream", [thread, number])

    await asyncio.gather(*(asyncio.to_thread(send, thread) for thread in range(5)))
    await until(lambda: len(sink.messages) == 50)
    assert [json.loads(text) for text in await store.messages()] == sink.messages
    for thread in range(5):
        own = [number for sender_, number in sink.messages if sender_ == thread]
        assert own == list(range(10))


def test_process_without_a_hub_sends_what_waits_when_the_layer_is_back(
    layer: ScriptedLayer,
) -> None:
    heard = hear(layer, "cable.stream", "cable.plain", "cable-control")
    layer.down = True
    broadcast("stream", {"n": 1})
    broadcast("plain", {"n": 1})
    disconnect_identity("ann")
    assert heard == []
    layer.down = False
    deadline = time.monotonic() + 2
    while len(heard) < 3:
        assert time.monotonic() < deadline, heard
        threading.Event().wait(0.005)
    assert [(event["type"], event.get("message")) for event in heard] == [
        ("cable.message", '{"n":1}'),
        ("cable.disconnect", None),
        ("cable.gap", None),
    ]


async def test_process_that_ends_sends_what_waits(
    layer: ScriptedLayer, caplog: pytest.LogCaptureFixture
) -> None:
    layer.down = True
    await abroadcast("stream", {"n": 1})
    sender = current_sender()
    assert sender.waiting == 1
    flushing = asyncio.create_task(sender.flush(5))
    layer.down = False
    await flushing
    assert sender.waiting == 0
    assert "unsent" not in caplog.text


async def test_process_that_ends_says_what_it_could_not_send(
    layer: ScriptedLayer, caplog: pytest.LogCaptureFixture
) -> None:
    layer.down = True
    await abroadcast("stream", {"n": 1})
    await current_sender().flush(0.01)
    assert "this process ends with 1 broadcasts unsent, to stream" in caplog.text
