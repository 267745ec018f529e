"""The end of a server process: nobody is cut off, and not all come back at once."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tests.conformance.client import BASE, Client, identifier
from tests.conformance.polling import wait_for
from tests.conformance.server import CableServer, Kind

MakeServer = Callable[..., CableServer]
RESTART = {"type": "disconnect", "reason": "server_restart", "reconnect": True}

each_kind = pytest.mark.parametrize("kind", ["uvicorn", "daphne"])


async def ended(server: CableServer) -> int:
    return await asyncio.to_thread(server.wait)


async def told_to_restart(client: Client) -> float:
    """Wait for the disconnect frame and the close after it; when the frame came."""
    assert await client.next(within=15) == RESTART
    moment = time.monotonic()
    assert await client.closed() == 1000
    return moment


class Page:
    """One HTTP connection, kept alive."""

    def __init__(self, server: CableServer) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=15)

    def readiness(self) -> int:
        return self._request("GET", "/readyz", "")

    def slow(self, seconds: float) -> int:
        return self._request("POST", "/slow", json.dumps({"seconds": seconds}))

    def _request(self, method: str, path: str, body: str) -> int:
        self._connection.request(method, path, body)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status


def refuses_connections(server: CableServer) -> bool:
    with suppress(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=2).close()
        return False
    return True


@each_kind
async def test_sockets_are_told_to_restart_spread_over_the_window(
    kind: Kind, make_server: MakeServer
) -> None:
    window = 2.0
    server = make_server(kind, cable={"drain_window": window})
    clients = [await Client.welcomed(f"{server.url}?jid=user{n}") for n in range(60)]
    for number, client in enumerate(clients):
        await client.subscribe(identifier("CounterChannel", id=number))
    server.ask_to_end()
    moments = sorted(await asyncio.gather(*map(told_to_restart, clients)))
    assert await ended(server) == 0
    # Sixty random moments: that they lie closer than this has a chance below one in a billion.
    assert moments[-1] - moments[0] > window / 2
    assert moments[len(moments) // 2] - moments[0] > window / 10
    assert [e["id"] for n in range(60) for e in server.events(f"user{n}")] == list(range(60))
    for number in range(60):
        last = server.events(f"socket of user{number}")[-1]
        assert last["event"] == "disconnected"
    assert "Traceback" not in server.log


@each_kind
async def test_all_goes_on_while_balancers_learn_of_the_end(
    kind: Kind, make_server: MakeServer, unique: str
) -> None:
    server = make_server(kind, cable={"drain_notice": 3.0, "drain_window": 0.0})
    old, name = await Client.welcomed(server.url), identifier("StreamChannel", streams=[unique])
    await old.subscribe(name)
    page = Page(server)
    assert page.readiness() == 200
    server.ask_to_end()
    await wait_for(lambda: page.readiness() == 503)
    new = await Client.welcomed(server.url)
    await new.subscribe(name)
    await asyncio.to_thread(server.post, "broadcast", stream=unique, message={"n": 1})
    assert await old.message(name) == await new.message(name) == {"n": 1}
    await asyncio.gather(told_to_restart(old), told_to_restart(new))
    assert await ended(server) == 0


@each_kind
async def test_new_sockets_are_turned_away_and_open_requests_are_answered(
    kind: Kind, make_server: MakeServer
) -> None:
    server = make_server(kind, cable={"drain_window": 0.0, "subscribe_timeout": 4.0})
    busy = await Client.welcomed(f"{server.url}?jid=busy")
    await busy.send(command="subscribe", identifier=identifier("SlowChannel", seconds=2.5))
    idle = socket.create_connection(("127.0.0.1", server.port))
    page, other = Page(server), Page(server)
    assert page.readiness() == 200
    answer = asyncio.create_task(asyncio.to_thread(other.slow, 4))
    await wait_for(lambda: server.events("busy") and server.events("http"))
    server.ask_to_end()
    await wait_for(lambda: refuses_connections(server))
    assert page.readiness() == 503
    late = Client(
        await connect(server.url, sock=idle, subprotocols=[Subprotocol(name) for name in BASE])
    )
    await told_to_restart(late)
    # Clients give a subscription up for good if its answer never comes.
    assert (await busy.next())["type"] == "confirm_subscription"
    await told_to_restart(busy)
    assert await answer == 204
    assert await ended(server) == 0
    assert "Traceback" not in server.log


@each_kind
async def test_every_callback_runs_though_an_action_hangs(
    kind: Kind, make_server: MakeServer, unique: str
) -> None:
    server = make_server(kind, cable={"leftover_timeout": 0.3, "subscribe_timeout": 0.3})
    client = await Client.welcomed(f"{server.url}?jid={unique}")
    for channel in ("CounterChannel", "ActionChannel"):
        await client.subscribe(identifier(channel))
    await client.perform(identifier("ActionChannel"), "slow", seconds=60)
    server.ask_to_end()
    assert await client.next(within=15) == RESTART
    assert await ended(server) == 0
    assert [event["event"] for event in server.events(unique)] == ["unsubscribed"]
    events = [event["event"] for event in server.events(f"socket of {unique}")]
    assert events == ["connected", "disconnected"]
    await client.close()


@each_kind
async def test_answer_that_is_being_read_comes_whole(kind: Kind, make_server: MakeServer) -> None:
    server = make_server(kind)
    page = http.client.HTTPConnection("127.0.0.1", server.port, timeout=15)
    page.request("GET", "/large")
    await wait_for(lambda: server.events("http"))
    server.ask_to_end()
    await wait_for(lambda: refuses_connections(server))
    body = await asyncio.to_thread(lambda: page.getresponse().read())
    assert len(body) == 20_000_000
    assert await ended(server) == 0


@each_kind
async def test_socket_that_is_being_opened_is_told_too(kind: Kind, make_server: MakeServer) -> None:
    server = make_server(kind, cable={"drain_window": 0.0})
    client = await Client.open(f"{server.url}?jid=slow")
    await wait_for(lambda: server.events("slow"))
    server.ask_to_end()
    await told_to_restart(client)
    assert await ended(server) == 0


@each_kind
async def test_interrupt_ends_the_waiting(kind: Kind, make_server: MakeServer) -> None:
    server = make_server(kind, cable={"drain_notice": 60.0})
    client = await Client.welcomed(f"{server.url}?jid=ada")
    await client.subscribe(identifier("CounterChannel", id=7))
    page = Page(server)
    server.ask_to_end()
    await wait_for(lambda: page.readiness() == 503)
    server.ask_to_end(signal.SIGINT)
    assert await ended(server) == 0
    assert [event["id"] for event in server.events("ada")] == [7]


async def test_request_that_never_ends_is_given_up(make_server: MakeServer) -> None:
    """By Daphne; uvicorn has an option of its own, --timeout-graceful-shutdown."""
    server = make_server("daphne", cable={"drain_window": 0.0, "drain_timeout": 0.5})
    page = Page(server)
    answer = asyncio.create_task(asyncio.to_thread(page.slow, 60))
    await wait_for(lambda: server.events("http"))
    server.ask_to_end()
    assert await ended(server) == 0
    with pytest.raises((http.client.HTTPException, OSError)):
        await answer
