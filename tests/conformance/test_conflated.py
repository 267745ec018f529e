"""Conflated streams over real sockets."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.conformance.client import Client, identifier
from tests.conformance.conftest import Connect
from tests.conformance.server import CableServer

pytestmark = pytest.mark.every_layer

Items = dict[str, Any]


def set_state(server: CableServer, stream: str, **items: tuple[int, Any]) -> None:
    """What the channel's `load` reads."""
    server.events_file.with_name(f"{server.events_file.name}.{stream}").write_text(
        json.dumps(items)
    )


async def change(server: CableServer, stream: str, **changes: tuple[int, Any]) -> None:
    await asyncio.to_thread(server.post, "state", stream=stream, changes=changes)


async def state(client: Client, name: str) -> dict[str, Any]:
    message: dict[str, Any] = await client.message(name)
    assert message.pop("server_time").endswith("Z")
    return message


async def test_snapshot_then_changes_latest_wins(
    server: CableServer, connect: Connect, unique: str
) -> None:
    set_state(server, unique, a=(5, {"x": 1}), b=(5, {"x": 2}))
    client, name = await connect(), identifier("StateChannel", stream=unique)
    await client.subscribe(name)
    snapshot = {"type": "snapshot", "items": {"a": {"x": 1}, "b": {"x": 2}}}
    assert await state(client, name) == snapshot
    await change(server, unique, a=(4, {"x": 99}))  # older than what is known
    await change(server, unique, a=(6, {"x": 3}))
    assert await state(client, name) == {"type": "changes", "items": {"a": {"x": 3}}}
    await change(server, unique, a=(7, None), c=(1, {"x": 4}))
    expected = {"type": "changes", "items": {"c": {"x": 4}}, "removed": ["a"]}
    assert await state(client, name) == expected
    # Who comes later gets the state as it is, from memory: the file still has the old one.
    late = await connect()
    await late.subscribe(name)
    snapshot = {"type": "snapshot", "items": {"b": {"x": 2}, "c": {"x": 4}}}
    assert await state(late, name) == snapshot


async def test_each_viewer_sees_its_own_part(
    server: CableServer, connect: Connect, unique: str
) -> None:
    set_state(server, unique, a=(1, {"x": 1}), b=(1, {"x": 20}))
    near, name = await connect(), identifier("StateChannel", stream=unique, below=10)
    await near.subscribe(name)
    assert await state(near, name) == {"type": "snapshot", "items": {"a": {"x": 1}}}
    await change(server, unique, b=(2, {"x": 30}))
    await near.nothing(0.5)
    await change(server, unique, b=(3, {"x": 5}))
    assert await state(near, name) == {"type": "changes", "items": {"b": {"x": 5}}}
    await change(server, unique, a=(2, {"x": 11}))
    assert await state(near, name) == {"type": "changes", "items": {}, "removed": ["a"]}
    await near.perform(name, "pan", below=12)
    snapshot = {"type": "snapshot", "items": {"a": {"x": 11}, "b": {"x": 5}}}
    assert await state(near, name) == snapshot


async def test_many_changes_are_few_frames(
    server: CableServer, connect: Connect, unique: str
) -> None:
    client, name = await connect(), identifier("StateChannel", stream=unique)
    await client.subscribe(name)
    assert await state(client, name) == {"type": "snapshot", "items": {}}
    for number in range(1, 101):
        await change(server, unique, a=(number, {"x": number}))
    seen = []
    while not seen or seen[-1] < 100:
        seen.append((await state(client, name))["items"]["a"]["x"])
    assert seen == sorted(set(seen))
    assert seen[0] == 1  # the first change does not wait
    assert len(seen) < 50
