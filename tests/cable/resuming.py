"""Sockets that are cut, and their successors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from tests.cable.conftest import Open
from tests.cable.polling import DUE
from tests.cable.socket import Socket
from tests.cable.unruly import UnrulyStore


async def record(store: UnrulyStore, sid: str) -> Any:
    text = await store.world.store.load_session(sid)
    return None if text is None else json.loads(text)


async def saved(store: UnrulyStore, socket: Socket, identifiers: Iterable[str]) -> None:
    """Return when the store knows that these are open."""
    wanted = list(identifiers)
    async with asyncio.timeout(DUE):
        while True:
            found = await record(store, socket.sid)
            if found and [entry["identifier"] for entry in found["subscriptions"]] == wanted:
                return
            await asyncio.sleep(0.005)


async def with_session(open_socket: Open, store: UnrulyStore, *channels: str) -> Socket:
    """A cut socket whose session is saved."""
    socket = await open_socket(extended=True)
    for channel in channels:
        await socket.subscribe(channel)
    await saved(store, socket, channels)
    socket.cut()
    await asyncio.wait([socket.task])
    return socket


async def resumed(open_socket: Open, earlier: Socket, **options: Any) -> Socket:
    return await open_socket(extended=True, query=f"sid={earlier.sid}", **options)
