"""The end of sockets: by command, and when the application drains itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.conformance.client import Client, identifier
from tests.conformance.conftest import Connect
from tests.conformance.server import CableServer, Kind

KINDS: list[Kind] = ["uvicorn", "daphne"]
RESTART = {"type": "disconnect", "reason": "server_restart", "reconnect": True}


@pytest.mark.parametrize("reconnect", [True, False])
async def test_remote_disconnect_closes_every_socket_of_the_user_in_all_processes(
    uvicorn: CableServer, daphne: CableServer, unique: str, reconnect: bool
) -> None:
    sockets = [
        await Client.welcomed(f"{server.url}?jid={unique}")
        for server in (uvicorn, uvicorn, daphne, daphne)
    ]
    other = await Client.welcomed(f"{uvicorn.url}?jid=other{unique}")
    uvicorn.post("disconnect", key=unique, reconnect=reconnect)
    for client in sockets:
        frame = await client.next(within=1)
        assert frame == {"type": "disconnect", "reason": "remote", "reconnect": reconnect}
        assert await client.closed() == 1000
    await other.nothing()
    await other.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_drain_tells_all_sockets_to_reconnect_and_runs_every_callback(
    kind: Kind, make_server: Callable[..., CableServer]
) -> None:
    server = make_server(kind)
    clients = [await Client.welcomed(f"{server.url}?jid=ada") for _ in range(3)]
    for number, client in enumerate(clients):
        await client.subscribe(identifier("CounterChannel", id=number))
    drained = asyncio.create_task(asyncio.to_thread(server.post, "drain"))
    for client in clients:
        assert await client.next() == RESTART
        assert await client.closed() == 1000
    await drained
    assert sorted(event["id"] for event in server.events("ada")) == [0, 1, 2]
    late = await Client.open(server.url)
    assert await late.next() == RESTART
    assert await late.closed() == 1000


async def test_largest_message_passes_with_the_largest_identifier(connect: Connect) -> None:
    client = await connect()
    room = 4096 - len(identifier("ActionChannel", filler=""))
    too_long = identifier("ActionChannel", filler="x" * (room + 1))
    await client.send(command="subscribe", identifier=too_long)
    assert await client.next() == {"type": "reject_subscription", "identifier": too_long}
    name = identifier("ActionChannel", filler="x" * room)
    await client.subscribe(name)
    largest = 960 * 1024 - len('{"filler":""}')
    await client.perform(name, "bulk", bytes=largest)
    assert await client.message(name) == {"filler": "x" * largest}
    await client.perform(name, "bulk", bytes=largest + 1)  # an error in the server's log
    await client.nothing()
