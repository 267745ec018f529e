"""Opening a socket: tokens, sub-protocols, the first frame, pings, expiry."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from tests.conformance.client import Client, identifier
from tests.conformance.conftest import Connect
from tests.conformance.server import CableServer, Kind

REQUEST = identifier("RequestChannel")


async def refused(client: Client) -> dict[str, object]:
    """The disconnect frame, which must be the first and be followed by a close."""
    frame = await client.next()
    assert await client.closed() == 1000
    return frame


async def test_first_frame_is_welcome_without_extras(connect: Connect) -> None:
    client = await connect()
    await client.nothing()


async def test_pings_are_whole_seconds_every_three_seconds(
    uvicorn: CableServer, daphne: CableServer
) -> None:
    async def pinged(server: CableServer) -> None:
        client = await Client.welcomed(server.url)
        first, second = [await client.next(pings=True) for _ in range(2)]
        for ping in (first, second):
            assert ping == {"type": "ping", "message": ping["message"]}
            assert type(ping["message"]) is int
        assert second["message"] - first["message"] in (2, 3, 4)  # whole seconds of a 3.0 s step
        assert abs(second["message"] - time.time()) < 2
        await client.close()

    await asyncio.gather(pinged(uvicorn), pinged(daphne))


async def test_client_chooses_interval_and_unit_of_its_pings(server: CableServer) -> None:
    client = await Client.welcomed(f"{server.url}?pi=1&ptp=ms")
    first, second = [await client.next(pings=True) for _ in range(2)]
    assert 500 < second["message"] - first["message"] < 2_500  # not the default's 3,000
    assert abs(second["message"] - time.time() * 1000) < 2_000
    await client.close()


@pytest.mark.parametrize("kind", ["uvicorn", "daphne"])
async def test_client_that_answers_no_ping_is_told_no_pong(
    kind: Kind, make_server: Callable[..., CableServer]
) -> None:
    server = make_server(kind, cable={"pong_timeout": 0.5})
    silent = await Client.extended(f"{server.url}?pi=1")
    base = await Client.welcomed(f"{server.url}?pi=1")
    assert await silent.next() == {"type": "disconnect", "reason": "no_pong", "reconnect": True}
    assert await silent.closed() == 1000
    await base.nothing()
    await base.close()


async def test_subprotocol_is_ours_of_several_offered(connect: Connect) -> None:
    for offered in (
        ["actioncable-v1-json", "actioncable-unsupported"],
        ["something-else", "actioncable-v1-json"],
        ["actioncable-v1-json", "anycable-token.abc"],
        ["anycable-token.abc", "actioncable-v1-json"],
    ):
        client = await connect(subprotocols=offered)
        assert client.socket.subprotocol == "actioncable-v1-json"


@pytest.mark.parametrize("offered", [[], ["something-else"], ["anycable-token.abc"]])
async def test_without_our_subprotocol_none_is_selected_and_the_socket_works(
    connect: Connect, offered: list[str]
) -> None:
    client = await connect(subprotocols=offered)
    assert client.socket.subprotocol is None
    await client.subscribe(REQUEST)


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("?need=token&jid=ada", {}),
        ("?need=token", {"headers": {"X-JID": "ada"}}),
        ("?need=token", {"subprotocols": ["actioncable-v1-json", "anycable-token.ada"]}),
        ("?need=token&jid=", {"headers": {"X-JID": "ada"}}),
        ("?need=token&jid=ada", {"headers": {"X-JID": "eve"}}),
    ],
    ids=["query", "header", "sub-protocol", "empty query", "query before header"],
)
async def test_token_is_found(connect: Connect, query: str, options: dict[str, object]) -> None:
    client = await connect(query, **options)
    await client.subscribe(REQUEST)
    assert (await client.message(REQUEST))["key"] == "ada"


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("?jid=stranger", "unauthorized"),
        ("?need=token", "unauthorized"),
        ("?need=token&jid=", "unauthorized"),
        ("?jid=ada@1000000000", "token_expired"),
    ],
)
async def test_refusal_comes_as_a_frame_after_the_upgrade(
    server: CableServer, query: str, reason: str
) -> None:
    client = await Client.open(server.url + query)
    assert await refused(client) == {"type": "disconnect", "reason": reason, "reconnect": False}


@pytest.mark.parametrize("token", ["crash", "hang"])
async def test_broken_authentication_closes_without_a_frame_so_that_clients_come_back(
    server: CableServer, token: str
) -> None:
    client = await Client.open(f"{server.url}?jid={token}")
    assert await client.closed() == 4011


async def test_token_that_expires_later_ends_the_socket_then(connect: Connect) -> None:
    expires_at = time.time() + 0.8
    client = await connect(f"?jid=ada@{expires_at}")
    await client.subscribe(REQUEST)
    await client.message(REQUEST)
    assert await refused(client) == {
        "type": "disconnect",
        "reason": "token_expired",
        "reconnect": False,
    }
    assert 0 <= time.time() - expires_at < 1


async def test_cookie_is_required_and_seen(server: CableServer, connect: Connect) -> None:
    client = await Client.open(server.url + "?need=cookie")
    assert (await refused(client))["reason"] == "unauthorized"
    client = await connect("?need=cookie", headers={"Cookie": "user=ada"})
    await client.subscribe(REQUEST)
    assert (await client.message(REQUEST))["cookie"] == "user=ada"


async def test_header_is_required_and_seen(server: CableServer, connect: Connect) -> None:
    client = await Client.open(server.url + "?need=header")
    assert (await refused(client))["reason"] == "unauthorized"
    await connect("?need=header", headers={"X-API-Token": "secret"})


async def test_channel_reads_the_request(connect: Connect) -> None:
    client = await connect("?jid=ada&page=7")
    await client.subscribe(REQUEST)
    assert await client.message(REQUEST) == {
        "path": "/cable",
        "query": "jid=ada&page=7",
        "cookie": None,
        "key": "ada",
    }


async def test_commands_sent_before_welcome_are_processed(server: CableServer) -> None:
    client = await Client.open(server.url)
    greeting = identifier("GreetingChannel")
    await client.send(command="subscribe", identifier=greeting)
    assert await client.next() == {"type": "welcome"}
    assert await client.next() == {"type": "confirm_subscription", "identifier": greeting}
    await client.close()
