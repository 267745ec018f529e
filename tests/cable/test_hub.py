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
from cable.subscription import Subscription
from tests.cable.polling import until


class Sink(Subscription):
    """A subscription that keeps its frames."""

    __slots__ = ("frames",)

    def __init__(self, identifier: str) -> None:
        self.frames: list[Frame] = []
        super().__init__(
            identifier,
            push=self.frames.append,
            resync=lambda: None,
            on_overflow=lambda: None,
            max_held_bytes=1000,
        )


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Prefixes of the data frames that were built."""
    prefixes: list[str] = []
    build = protocol.message

    def message(prefix: str, encoded: str) -> Frame:
        prefixes.append(prefix)
        return build(prefix, encoded)

    monkeypatch.setattr(protocol, "message", message)
    return prefixes


async def test_a_frame_is_built_once_for_each_identifier_and_shared(
    hub: Hub, encoded: list[str]
) -> None:
    sinks = [Sink(identifier) for identifier in ("a", "b") for _ in range(100)]
    for sink in sinks:
        await hub.join("stream", sink)
    await abroadcast("stream", {"n": 1})
    await until(lambda: all(sink.frames for sink in sinks))
    assert len(encoded) == 2
    for half in (sinks[:100], sinks[100:]):
        assert all(sink.frames[0] is half[0].frames[0] for sink in half)
    assert sinks[0].frames[0] is not sinks[100].frames[0]


async def test_delivery_uses_no_thread_and_no_task_for_each_socket(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    sinks = [Sink("a") for _ in range(500)]
    for sink in sinks:
        await hub.join("stream", sink)
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
        await hub.join("stream", sink)
    on_the_way = asyncio.create_task(abroadcast("stream", {"n": 1}))
    hub.leave("stream", leaves)
    await on_the_way
    await until(lambda: stays.frames)
    assert leaves.frames == []
    hub.leave("stream", leaves)  # twice is harmless
    hub.leave_all(stays)
    assert stays.streams == set()


async def test_process_leaves_the_group_when_its_last_socket_leaves_the_stream(hub: Hub) -> None:
    groups = get_channel_layer().groups
    sinks = [Sink("a"), Sink("b")]
    for sink in sinks:
        await hub.join("stream", sink)
    hub.leave_all(sinks[0])
    await hub.join("another", sinks[0])
    assert len(groups["cable.stream"]) == 1
    hub.leave_all(sinks[1])
    await until(lambda: "cable.stream" not in groups)


async def test_message_of_an_unknown_type_is_logged(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    hub._on_message({"type": "cable.future"})
    assert "does not know messages of type 'cable.future'" in caplog.text


async def test_failed_join_leaves_nothing_behind(hub: Hub) -> None:
    sink = Sink("a")
    with pytest.raises(ValueError, match="unprintable"):
        await hub.join("a\nb", sink)
    assert sink.streams == set()
