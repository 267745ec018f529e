"""The cable in one process: the in-memory layer, and a socket without a network."""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import pytest
from channels.layers import channel_layers
from pytest_django import Settings

import cable.store
from cable import CableApplication, Channel, Identity, Scope
from cable.connection import AroundCommand, Authenticate, Hook
from cable.hub import Hub
from tests.cable.channels import CHANNELS, Streams
from tests.cable.layers import ScriptedLayer
from tests.cable.socket import Socket
from tests.cable.stores import MemoryWorld
from tests.cable.unruly import UnrulyStore

Open = Callable[..., Awaitable[Socket]]


@pytest.fixture(autouse=True)
def memory_layer(settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    # Short, for tests that run into them; none is reached otherwise.
    settings.CABLE = {
        "command_timeout": 0.2,
        "subscribe_timeout": 0.2,
        "close_timeout": 0.3,
        "teardown_timeout": 0.4,
        "layer_timeout": 0.3,
        "history": {"plain*": {"limit": 0}},
    }


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch) -> UnrulyStore:
    """An empty store in memory for each test; its clock stands."""
    store = UnrulyStore(MemoryWorld())
    monkeypatch.setattr(cable.store, "_store", store)
    monkeypatch.setattr(cable.store, "_made_for", ("memory", "cable"))
    return store


@pytest.fixture(autouse=True)
def no_calls() -> None:
    Streams.calls.clear()
    Streams.refused.clear()


@pytest.fixture(autouse=True)
def fresh_bridge() -> Iterator[None]:
    """What synchronous code could not send would else wait in its thread for the next test."""
    yield
    module = importlib.import_module("cable.broadcast")
    loop = module._bridge._loop
    module._start_anew()
    if loop is None:
        return

    async def cancel_all() -> None:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    asyncio.run_coroutine_threadsafe(cancel_all(), loop).result(2)
    loop.call_soon_threadsafe(loop.stop)
    for thread in threading.enumerate():
        if thread.name == "cable-broadcast":
            thread.join(2)
    loop.close()


@pytest.fixture
def layer(memory_layer: None) -> Iterator[ScriptedLayer]:
    """A scripted layer in the place of the configured one."""
    layer = ScriptedLayer()
    channel_layers.set("default", layer)
    yield layer
    channel_layers.backends.clear()


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    hub = Hub.current()
    yield hub
    await hub.close()


async def anybody(scope: Scope, token: str | None) -> Identity:
    return Identity(key=token or "anonymous")


@pytest.fixture
async def open_socket(hub: Hub) -> AsyncIterator[Open]:
    """Opens a welcomed socket: `open_socket({"Name": Class}, authenticate=…, around=…)`."""
    async with AsyncExitStack() as stack:

        async def open_(
            channels: dict[str, type[Channel]] = CHANNELS,
            *,
            authenticate: Authenticate = anybody,
            around: AroundCommand | None = None,
            connected: Hook | None = None,
            disconnected: Hook | None = None,
            query: str = "",
            extended: bool = False,
            headers: dict[str, str] | None = None,
            welcomed: bool = True,
        ) -> Socket:
            hooks = {
                "around_command": around,
                "connected": connected,
                "disconnected": disconnected,
            }
            application = CableApplication(
                channels=channels,
                authenticate=authenticate,
                **{name: hook for name, hook in hooks.items() if hook is not None},  # type: ignore[arg-type]
            )
            socket = Socket(application, query=query, extended=extended, headers=headers)
            stack.push_async_callback(socket.leave)
            if welcomed:
                await socket.be_welcomed()
            return socket

        yield open_
