"""Sending from synchronous code, coroutines and forked workers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from pytest_django import Settings

from cable import abroadcast, adisconnect_identity, broadcast, disconnect_identity
from cable.hub import Hub
from cable.layer import find_layer
from tests.cable.layers import ScriptedLayer
from tests.cable.polling import until
from tests.cable.sink import Sink


def test_sender_without_a_hub_keeps_one_thread_and_one_loop(layer: ScriptedLayer) -> None:
    loops = set()
    send = layer.group_send

    async def group_send(group: str, message: dict[str, object]) -> None:
        loops.add(asyncio.get_running_loop())
        await send(group, message)

    layer.group_send = group_send  # type: ignore[method-assign]
    for number in range(20):
        broadcast("stream", {"n": number})
    assert len(loops) == 1
    assert sum(thread.name == "cable-broadcast" for thread in threading.enumerate()) == 1


async def test_sender_beside_a_hub_uses_its_loop(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = Sink("a")
    await hub.streams.join("stream", sink)
    layer = find_layer("default")
    send, loops = layer.group_send, []

    async def group_send(group: str, message: dict[str, object]) -> None:
        loops.append(asyncio.get_running_loop())
        await send(group, message)

    monkeypatch.setattr(layer, "group_send", group_send)
    await asyncio.to_thread(broadcast, "stream", {"n": 1})
    assert loops == [asyncio.get_running_loop()]
    await until(lambda: sink.frames)
    assert sink.frames[0].event["text"] == '{"identifier":"a","message":{"n":1}}'


async def test_synchronous_form_on_an_event_loop_is_refused(layer: ScriptedLayer) -> None:
    with pytest.raises(RuntimeError, match="a send for 'stream' was called on an event loop"):
        broadcast("stream", {"n": 1})
    with pytest.raises(RuntimeError, match=r"a send for 'ann' .* `await abroadcast"):
        disconnect_identity("ann")


@pytest.mark.parametrize("key", [None, 7])
def test_user_without_a_text_for_a_key_is_a_mistake(layer: ScriptedLayer, key: Any) -> None:
    with pytest.raises(TypeError, match=f"key must be text, such as 'acme:7', not {key}"):
        disconnect_identity(key)


@pytest.mark.parametrize("message", [0, None, "", False])
def test_mistakes_of_the_caller_are_raised_at_once(layer: ScriptedLayer, message: object) -> None:
    with pytest.raises(ValueError, match="which clients drop"):
        broadcast("stream", message)
    with pytest.raises(ValueError, match="must be a string that is not empty"):
        broadcast("", {"n": 1})
    with pytest.raises(TypeError):
        broadcast("stream", object())


async def test_mistakes_are_raised_by_the_coroutine_too(layer: ScriptedLayer) -> None:
    with pytest.raises(ValueError, match="which clients drop"):
        await abroadcast("stream", 0)
    with pytest.raises(ValueError, match="has 983053 bytes; at most 983040"):
        await abroadcast("stream", {"a": "x" * 983_045})


@pytest.mark.parametrize("fault", ["down", "hanging"])
@pytest.mark.parametrize(
    ("stream", "fate"),
    [
        ("stream", "a broadcast to stream waits"),
        ("plain", "a broadcast to plain was lost"),
    ],
)
def test_layer_that_fails_is_logged_and_holds_nobody_long(
    layer: ScriptedLayer,
    fault: str,
    stream: str,
    fate: str,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.CABLE = {**settings.CABLE, "broadcast_timeout": 0.2}
    setattr(layer, fault, True)
    started = time.monotonic()
    broadcast(stream, {"n": 1})
    assert time.monotonic() - started < 1
    assert fate in caplog.text


def test_waiting_senders_are_bounded(
    layer: ScriptedLayer, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CABLE = {**settings.CABLE, "broadcast_timeout": 0.5, "max_pending_broadcasts": 2}
    layer.hanging = True
    threads = [threading.Thread(target=broadcast, args=("stream", {"n": 1})) for _ in range(2)]
    for thread in threads:
        thread.start()
    from cable.broadcast import _bridge

    deadline = time.monotonic() + 2
    while _bridge._pending < 2:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    started = time.monotonic()
    broadcast("stream", {"n": 3})
    assert time.monotonic() - started < 0.2
    assert "was lost: 2 threads wait already" in caplog.text
    for thread in threads:
        thread.join()


async def test_disconnect_of_an_identity_reaches_the_control_group(layer: ScriptedLayer) -> None:
    queue: asyncio.Queue[dict[str, object]] = asyncio.Queue()
    layer.queues["process"] = queue
    layer.groups["cable-control"].add("process")
    await adisconnect_identity("acme:7", reconnect=False)
    expected = {"type": "cable.disconnect", "identity": "acme:7", "reconnect": False}
    assert await queue.get() == expected


FORK = """
import os, signal, sys, threading
from django.conf import settings
settings.configure(CHANNEL_LAYERS={"default": {"BACKEND": "tests.cable.layers.ScriptedLayer"}})
from channels.layers import get_channel_layer
from cable import broadcast

def sent(number):
    layer = get_channel_layer()
    heard = []
    async def group_send(group, message):
        heard.append(message["message"])
    layer.group_send = group_send
    broadcast("stream", number)
    return heard == [str(number)]

assert sent(1)
parent_thread = next(t for t in threading.enumerate() if t.name == "cable-broadcast")
child = os.fork()
if child == 0:
    signal.alarm(10)
    os._exit(0 if sent(2) and sent(3) else 1)
_, status = os.waitpid(child, 0)
assert sent(4) and parent_thread.is_alive()
sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_forked_worker_sends_on_a_loop_of_its_own() -> None:
    """As Celery's prefork pool does after the parent has sent."""
    result = subprocess.run(
        [sys.executable, "-c", FORK], capture_output=True, text=True, timeout=30, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
