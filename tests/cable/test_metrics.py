"""What the cable exports after known actions: exact figures, and labels no client can make."""

from __future__ import annotations

import asyncio
import json
from typing import ClassVar

import pytest
from pytest_django import Settings

from cable import (
    Channel,
    Identity,
    Scope,
    State,
    Unauthorized,
    abroadcast,
    abroadcast_state,
    action,
)
from cable.hub import Hub
from tests.cable.channels import CHANNELS, Streams, identifier
from tests.cable.conftest import Open
from tests.cable.polling import until
from tests.cable.scraping import changed, scrape
from tests.cable.socket import Socket

A, B = identifier("stream", name="a"), identifier("stream", "plain", name="b")
CLOSED = 'cable_sockets_closed_total{reason="%s"}'


@pytest.fixture(autouse=True)
def quiet(settings: Settings) -> None:
    """No pings and no probes, which would count too."""
    settings.CABLE = {**settings.CABLE, "ping_interval": 60.0, "probe_interval": 60.0}


class Odd(Streams):
    """Does what its parameter or the client's action says."""

    gate: ClassVar[asyncio.Event]

    async def subscribed(self) -> None:
        await super().subscribed()
        if self.params.get("name") == "presence":
            await self.stream_from("room", whisper=True, presence=True)
        if self.params.get("name") == "state":
            await self.stream_state("state", load=self.load)
        if self.params.get("name") == "broken":
            raise ValueError("broken")
        if self.params.get("name") == "stranger":
            raise Unauthorized

    @staticmethod
    async def load() -> dict[str, State]:
        return {"one": State(1, {"n": 1})}

    @action
    async def wait(self) -> None:
        await self.gate.wait()

    @action
    async def fail(self) -> None:
        raise ValueError("failed")

    @action
    async def leave(self) -> None:
        self.connection.disconnect("acme has gone", reconnect=False)


ODD: dict[str, type[Channel]] = {**CHANNELS, "Odd": Odd}


def odd(name: str) -> str:
    return json.dumps({"channel": "Odd", "name": name})


async def closed(socket: Socket) -> None:
    await asyncio.wait([socket.task])


async def test_one_clients_visit_to_the_byte(open_socket: Open, hub: Hub) -> None:
    before = scrape()
    socket = await open_socket(extended=True, welcomed=False)
    frames = [await socket.event()]
    for name in (A, B):
        socket.command("subscribe", name)
        frames.append(await socket.event())
    for stream in ("stream", "stream", "plain"):
        await abroadcast(stream, {"word": "ä"})
    frames += [await socket.event() for _ in range(5)]
    commands = [json.dumps({"command": "subscribe", "identifier": name}) for name in (A, B)]
    assert changed(before) == {
        "cable_sockets": 1,
        "cable_identities": 1,
        "cable_streams": 2,
        "cable_sockets_opened_total": 1,
        "cable_received_bytes_total": sum(map(len, commands)),
        "cable_sent_bytes_total": sum(len(event["text"].encode()) for event in frames),
        'cable_commands_total{command="subscribe"}': 2,
        'cable_subscriptions_total{answer="confirmed"}': 2,
        "cable_broadcasts_total": 3,
        "cable_messages_received_total": 3,
        "cable_deliveries_total": 5,
        'cable_method_duration_seconds_count{channel="Streams",command="subscribe"}': 2,
    }
    before = scrape()
    socket.command("unsubscribe", A)
    await socket.quiet()
    await socket.leave()
    ended = changed(before)
    assert {name: ended[name] for name in ended if "bytes" not in name} == {
        "cable_sockets": -1,
        "cable_identities": -1,
        "cable_streams": -2,
        CLOSED % "left": 1,
        'cable_commands_total{command="unsubscribe"}': 1,
        'cable_commands_total{command="subscribe"}': 1,
        'cable_subscriptions_total{answer="rejected"}': 1,
        'cable_method_duration_seconds_count{channel="Streams",command="unsubscribe"}': 2,
    }


async def test_what_no_client_should_send_is_counted_under_no_name_of_its_own(
    open_socket: Open, hub: Hub
) -> None:
    socket = await open_socket()
    await socket.subscribe(A)
    before = scrape()
    for text in (
        "no JSON",
        '{"command":"evil-command","identifier":"evil-identifier"}',
        '{"command":"subscribe"}',
        '{"command":"history","identifier":"x","history":{}}',  # of extended clients only
    ):
        socket.to_application.put_nowait({"type": "websocket.receive", "text": text})
    socket.perform(A, "evil_action")
    socket.perform("evil-identifier", "receive")
    socket.command("subscribe", json.dumps({"channel": "EvilChannel", "name": "evil"}))
    assert (await socket.next())["type"] == "reject_subscription"
    now = changed(before)
    assert {name: now[name] for name in now if "bytes" not in name} == {
        "cable_commands_refused_total": 6,
        'cable_commands_total{command="message"}': 2,
        'cable_commands_total{command="subscribe"}': 1,
        'cable_subscriptions_total{answer="rejected"}': 1,
    }
    assert scrape().keys() == before.keys()
    assert "evil" not in " ".join(scrape()).lower()


async def refuse(scope: Scope, token: str | None) -> Identity:
    if token == "crash":
        raise RuntimeError("the database is away")
    if token == "expired":
        return Identity(key="late", expires_at=1.0)
    raise Unauthorized


@pytest.mark.parametrize(
    ("token", "cause", "reason"),
    [
        ("none", "refused", "unauthorized"),
        ("expired", "refused", "token_expired"),
        ("crash", "error", "error"),
    ],
)
async def test_who_is_not_let_in(open_socket: Open, token: str, cause: str, reason: str) -> None:
    before = scrape()
    socket = await open_socket(authenticate=refuse, query=f"jid={token}", welcomed=False)
    await closed(socket)
    now = changed(before)
    now.pop("cable_sent_bytes_total", None)
    assert now == {
        "cable_sockets_opened_total": 1,
        CLOSED % reason: 1,
        f'cable_authentication_failures_total{{cause="{cause}"}}': 1,
    }


@pytest.mark.parametrize(
    ("error", "cause", "reason"),
    [(Unauthorized(), "refused", "unauthorized"), (ValueError(), "error", "error")],
)
async def test_who_is_not_connected(
    open_socket: Open, error: Exception, cause: str, reason: str
) -> None:
    async def connected(connection: object) -> None:
        raise error

    before = scrape()
    await closed(await open_socket(connected=connected, welcomed=False))
    now = changed(before)
    assert now[f'cable_authentication_failures_total{{cause="{cause}"}}'] == 1
    assert (now[CLOSED % reason], "cable_sockets" in now) == (1, False)


async def test_why_sockets_closed_and_that_none_is_forgotten(
    settings: Settings, open_socket: Open, hub: Hub
) -> None:
    settings.CABLE = {**settings.CABLE, "max_pending_bytes": 100, "max_message_bytes": 200}
    before = scrape()
    leaves, large, slow, first, second = [await open_socket(ODD) for _ in range(5)]
    await leaves.subscribe(odd("a"))
    leaves.perform(odd("a"), "leave")
    await closed(leaves)
    large.to_application.put_nowait({"type": "websocket.receive", "text": "x" * 201})
    await closed(large)
    await slow.subscribe(A)
    slow.writable.clear()
    for _ in range(4):
        await abroadcast("stream", {"text": "x" * 100})
    await closed(slow)
    hub._on_message({"type": "cable.disconnect", "identity": "anonymous", "reconnect": True})
    await asyncio.wait([first.task, second.task])
    now = changed(before)
    assert {name: now[name] for name in now if "sockets_" in name or "slow" in name} == {
        "cable_sockets_opened_total": 5,
        CLOSED % "other": 1,  # an application may say what it likes
        CLOSED % "invalid_request": 1,
        CLOSED % "too_slow": 1,
        CLOSED % "remote": 2,
        "cable_slow_readers_disconnected_total": 1,
    }
    assert "cable_sockets" not in now
    assert "acme" not in " ".join(scrape())


async def test_what_waits_for_readers_and_for_channels(
    settings: Settings, open_socket: Open, hub: Hub
) -> None:
    settings.CABLE = {**settings.CABLE, "command_timeout": 10.0}
    Odd.gate = asyncio.Event()
    before = scrape()
    first, second = [await open_socket(ODD) for _ in range(2)]
    for socket in (first, second):
        await socket.subscribe(odd("a"))
        await socket.subscribe(A)
    await second.subscribe(B)
    for name in ("wait", "fail", "fail"):
        first.perform(odd("a"), name)
    await until(lambda: scrape()["cable_commands_pending"] == 3)
    for socket in (first, second):
        socket.writable.clear()
    await abroadcast("plain", {"n": 1})  # fills the hands of the second's writer
    await abroadcast("stream", {"n": 1})
    sizes = [
        len(json.dumps({"identifier": name, "message": {"n": 1}}, separators=(",", ":")))
        for name in (A, B)
    ]
    largest = sizes[0] + 2 * sizes[1]
    await until(lambda: scrape()["cable_outbox_largest_bytes"] == largest)
    assert scrape()["cable_outbox_pending_bytes"] == sizes[0] + largest
    assert changed(before)["cable_identities"] == 1
    errors = 'cable_method_errors_total{channel="Odd",command="message"}'
    assert changed(before).get(errors, 0) == 0
    for socket in (first, second):
        socket.writable.set()
    Odd.gate.set()
    await until(lambda: scrape()["cable_commands_pending"] == 0)
    await until(lambda: scrape()["cable_outbox_pending_bytes"] == 0)
    now = changed(before)
    assert now[errors] == 2
    assert now['cable_method_duration_seconds_count{channel="Odd",command="message"}'] == 3


@pytest.mark.parametrize(("name", "failed"), [("broken", 1), ("stranger", 0), ("fine", 0)])
async def test_only_what_failed_counts_as_failed(open_socket: Open, name: str, failed: int) -> None:
    before = scrape()
    socket = await open_socket(ODD)
    socket.command("subscribe", odd(name))
    await socket.next()
    now = changed(before)
    assert now['cable_method_duration_seconds_count{channel="Odd",command="subscribe"}'] == 1
    assert now.get('cable_method_errors_total{channel="Odd",command="subscribe"}', 0) == failed


async def test_presence_whispers_and_conflated_streams(open_socket: Open, hub: Hub) -> None:
    before = scrape()
    one, other = [await open_socket(ODD, extended=True) for _ in range(2)]
    for socket in (one, other):
        await socket.subscribe(odd("presence"))
        socket.command("subscribe", odd("state"))
        assert (await socket.next())["type"] == "confirm_subscription"
        assert (await socket.next())["message"]["type"] == "snapshot"
    one.command("join", odd("presence"), presence={"id": "ann"})
    one.command("whisper", odd("presence"), data={"text": "psst"})
    await until(lambda: scrape().get("cable_whispers_total", 0) > before["cable_whispers_total"])
    await abroadcast_state("state", {"one": State(2, {"n": 2})})
    await until(lambda: changed(before).get("cable_conflation_frames_total") == 4)
    now = changed(before)
    assert (now["cable_presence_members"], now["cable_whispers_total"]) == (1, 1)
    assert now["cable_conflation_snapshots_total"] == 2
    assert now['cable_conflation_changes_total{outcome="delivered"}'] == 2
    one.command("leave", odd("presence"))
    await until(lambda: "cable_presence_members" not in changed(before))
