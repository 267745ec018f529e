"""Streams of a process: what never came here is found, and who must not hear does not."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from cable import StreamUnavailable, abroadcast, envelope, switchboard
from cable.hub import Hub
from tests.cable.asking import asked
from tests.cable.channels import identifier
from tests.cable.conftest import Open
from tests.cable.polling import until
from tests.cable.sink import Sink
from tests.cable.unruly import OPTIONS, UnrulyStore


@pytest.fixture
def checked_often(settings: Settings) -> None:
    """Before the hub is made."""
    settings.CABLE = {**settings.CABLE, "position_check_interval": 0.02, "gap_wait": 0.001}


@pytest.fixture
async def often(checked_often: None, hub: Hub) -> Hub:
    hub.streams.start()
    return hub


async def test_message_that_was_stored_but_never_sent_is_found(
    often: Hub, store: UnrulyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switchboard, "_CHECKED_AT_ONCE", 2)
    sinks = {f"stream.{number}": Sink(extended=True) for number in range(5)}
    for stream, sink in sinks.items():
        await often.streams.join(stream, sink)
    for stream in sinks:
        await store.keep(f'{{"of":"{stream}"}}', stream)
    await until(lambda: all(sink.frames for sink in sinks.values()))
    for stream, sink in sinks.items():
        assert sink.messages == [{"of": stream}]
        assert sink.received[0]["offset"] == 1
        assert sink.resyncs == 0


async def test_stream_that_the_store_lost_is_found(often: Hub, store: UnrulyStore) -> None:
    sink, base = Sink(extended=True), Sink("b")
    for listener in (sink, base):
        await often.streams.join("stream", listener)
    await store.world.store.restart("stream", OPTIONS)
    await until(lambda: base.resyncs)
    assert sink.received == [{"type": "reject_history", "identifier": "a"}]
    assert base.received == []
    checks = store.calls.count("heads")
    await until(lambda: store.calls.count("heads") > checks + 2)
    assert (sink.resyncs, base.resyncs) == (1, 1)


async def test_check_goes_on_after_the_store_was_away(often: Hub, store: UnrulyStore) -> None:
    sink = Sink()
    await often.streams.join("stream", sink)
    store.fails.add("heads")
    await store.keep('{"n":1}')
    checks = store.calls.count("heads")
    await until(lambda: store.calls.count("heads") > checks + 2)
    assert sink.messages == []
    store.fails.clear()
    await until(lambda: sink.messages == [{"n": 1}])


async def test_interruption_looks_into_the_store_at_once_and_tells_those_without(
    hub: Hub, store: UnrulyStore
) -> None:
    hub.streams.start()
    kept, plain = Sink(extended=True), Sink(extended=True)
    await hub.streams.join("stream", kept)
    await hub.streams.join("plain", plain)
    await store.keep('{"n":1}')
    hub._on_interrupted()
    assert (plain.resyncs, plain.frames) == (1, [])
    await until(lambda: kept.frames)
    assert kept.messages == [{"n": 1}]
    assert kept.resyncs == 0


async def test_gap_that_is_told_is_looked_for_before_it_is_believed(
    hub: Hub, store: UnrulyStore
) -> None:
    kept, plain = Sink(extended=True), Sink(extended=True)
    await hub.streams.join("stream", kept)
    await hub.streams.join("plain", plain)
    await store.keep('{"n":1}')
    for stream in ("stream", "plain", "of nobody"):
        hub._on_message(envelope.gap(stream))
    assert plain.resyncs == 1
    await until(lambda: kept.frames)
    assert (kept.messages, kept.resyncs) == ([{"n": 1}], 0)


@pytest.mark.parametrize("stream", ["stream", "plain"])
@pytest.mark.parametrize("extended", [False, True])
async def test_broadcast_leaves_out_its_sender(
    hub: Hub, open_socket: Open, stream: str, extended: bool
) -> None:
    channel = identifier(stream)
    writer, reader = [await open_socket(extended=extended) for _ in range(2)]
    for socket in (writer, reader):
        await socket.subscribe(channel)
    sids = {connection.sid for connection in hub.connections}
    if extended:
        assert sids == {writer.sid, reader.sid}
        excluded = writer.sid
    else:
        excluded = next(
            connection.sid
            for connection in hub.connections
            if connection._receive == writer.to_application.get
        )
    await abroadcast(stream, {"n": 1}, exclude=excluded)
    await abroadcast(stream, {"n": 2})
    assert await reader.message(channel) == {"n": 1}
    assert await reader.message(channel) == {"n": 2}
    assert await writer.message(channel) == {"n": 2}
    await writer.quiet()


async def test_sender_finds_its_own_message_in_the_history(
    open_socket: Open, store: UnrulyStore
) -> None:
    """Who asks anew does not know what became of it."""
    channel = identifier("stream")
    socket = await open_socket(extended=True)
    await abroadcast("stream", {"n": 1}, exclude=socket.sid)
    position = {"streams": {"stream": {"epoch": await store.epoch(), "offset": 0}}}
    assert await asked(socket, channel, position) == [1]


async def test_join_without_the_store_leaves_nothing_behind(hub: Hub, store: UnrulyStore) -> None:
    sink = Sink()
    store.fails.add("head")
    with pytest.raises(StreamUnavailable, match="no history of stream stream"):
        await hub.streams.join("stream", sink)
    assert sink.streams == set()
    assert len(hub.streams) == 0
    store.fails.clear()
    await hub.streams.join("stream", sink)
    await abroadcast("stream", {"n": 1})
    await until(lambda: sink.messages == [{"n": 1}])


async def test_stream_that_is_joined_again_begins_where_it_is_now(
    hub: Hub, store: UnrulyStore
) -> None:
    first, second = Sink(extended=True), Sink(extended=True)
    await hub.streams.join("stream", first)
    await abroadcast("stream", {"n": 1})
    await until(lambda: first.frames)
    hub.streams.leave_all(first)
    assert first.live_from == {}
    await abroadcast("stream", {"n": 2})
    await hub.streams.join("stream", second)
    assert second.live_from == {"stream": (await store.epoch(), 2)}
    await abroadcast("stream", {"n": 3})
    await until(lambda: second.frames)
    assert second.messages == [{"n": 3}]
    assert first.messages == [{"n": 1}]
