"""Fan-out inside one process."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from asgiref.sync import SyncToAsync
from channels.layers import get_channel_layer

from cable import abroadcast, protocol
from cable.hub import Hub
from cable.protocol import Frame
from tests.cable.polling import until
from tests.cable.sink import Sink


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Prefixes of the data frames that were built."""
    prefixes: list[str] = []
    build = protocol.message

    def message(prefix: str, *rest: Any) -> Frame:
        prefixes.append(prefix)
        return build(prefix, *rest)

    monkeypatch.setattr(protocol, "message", message)
    return prefixes


async def test_a_frame_is_built_once_for_each_identifier_and_protocol_and_shared(
    hub: Hub, encoded: list[str]
) -> None:
    kinds = [(identifier, extended) for identifier in "ab" for extended in (False, True)]
    sinks = [
        Sink(identifier, extended=extended) for identifier, extended in kinds for _ in range(50)
    ]
    for sink in sinks:
        await hub.streams.join("stream", sink)
    await abroadcast("stream", {"n": 1})
    await until(lambda: all(sink.frames for sink in sinks))
    assert len(encoded) == 4
    for start in range(0, 200, 50):
        same = sinks[start : start + 50]
        assert all(sink.frames[0] is same[0].frames[0] for sink in same)
    assert len({id(sink.frames[0]) for sink in sinks}) == 4


async def test_delivery_uses_no_thread_and_no_task_for_each_socket(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    sinks = [Sink("a") for _ in range(500)]
    for sink in sinks:
        await hub.streams.join("stream", sink)
    loop = asyncio.get_running_loop()
    tasks: list[Any] = []

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a thread hop")

    def count(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        tasks.append(coro)
        return asyncio.Task(coro, loop=loop, **options)

    monkeypatch.setattr(SyncToAsync, "__call__", refuse)
    monkeypatch.setattr(loop, "run_in_executor", refuse)
    loop.set_task_factory(count)
    await abroadcast("stream", {"n": 1})
    await until(lambda: all(sink.frames for sink in sinks))
    loop.set_task_factory(None)
    assert len(tasks) <= 5  # the in-memory layer's own, one for each group member


async def test_nothing_is_delivered_after_leave_even_what_is_on_the_way(hub: Hub) -> None:
    stays, leaves = Sink("a"), Sink("a")
    for sink in (stays, leaves):
        await hub.streams.join("stream", sink)
    on_the_way = asyncio.create_task(abroadcast("stream", {"n": 1}))
    hub.streams.leave("stream", leaves)
    await on_the_way
    await until(lambda: stays.frames)
    assert leaves.frames == []
    hub.streams.leave("stream", leaves)  # twice is harmless
    hub.streams.leave_all(stays)
    assert stays.streams == set()


async def test_process_leaves_the_group_when_its_last_socket_leaves_the_stream(hub: Hub) -> None:
    groups = get_channel_layer().groups
    sinks = [Sink("a"), Sink("b")]
    for sink in sinks:
        await hub.streams.join("stream", sink)
    hub.streams.leave_all(sinks[0])
    await hub.streams.join("another", sinks[0])
    assert len(groups["cable.stream"]) == 1
    hub.streams.leave_all(sinks[1])
    await until(lambda: "cable.stream" not in groups)


@pytest.mark.parametrize("event", [{}, {"stream": "stream"}], ids=["to all", "of a stream"])
async def test_message_of_an_unknown_type_is_logged(
    hub: Hub, caplog: pytest.LogCaptureFixture, event: dict[str, str]
) -> None:
    await hub.streams.join("stream", Sink())
    hub._on_message({"type": "cable.future", **event})
    assert "does not know messages of type 'cable.future'" in caplog.text


async def test_failed_join_leaves_nothing_behind(hub: Hub) -> None:
    sink = Sink("a")
    with pytest.raises(ValueError, match="unprintable"):
        await hub.streams.join("a\nb", sink)
    assert sink.streams == set()
    assert len(hub.streams) == 0
