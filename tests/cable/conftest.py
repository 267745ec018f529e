"""The cable in one process: the in-memory layer, and a socket without a network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from pytest_django import Settings

from cable import CableApplication, Channel, Identity, Scope
from cable.connection import AroundCommand, Authenticate
from cable.hub import Hub
from tests.cable.socket import Socket

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
    }


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
            channels: dict[str, type[Channel]],
            *,
            authenticate: Authenticate = anybody,
            around: AroundCommand | None = None,
            query: str = "",
        ) -> Socket:
            options: dict[str, Any] = {} if around is None else {"around_command": around}
            application = CableApplication(channels=channels, authenticate=authenticate, **options)
            socket = Socket(application, query=query)
            stack.push_async_callback(socket.leave)
            assert await socket.next() == {"type": "welcome"}
            return socket

        yield open_
