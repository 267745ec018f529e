"""Things that happen at the same time at one socket."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pytest_django import Settings

from cable import (
    Channel,
    Connection,
    Identity,
    Scope,
    State,
    Unauthorized,
    abroadcast,
    action,
    adisconnect_identity,
)
from cable.hub import Hub
from tests.cable.channels import Streams, identifier
from tests.cable.conftest import Open
from tests.cable.polling import until
from tests.cable.resuming import resumed, saved, with_session
from tests.cable.unruly import UnrulyStore

A, B = identifier("stream", name="a"), identifier("stream", name="b")
CONFIRMED = {"type": "confirm_subscription", "identifier": A}


async def test_client_that_left_and_asked_again_is_answered_at_a_forced_close(
    hub: Hub, open_socket: Open
) -> None:
    """AnyCable's client gives a channel up for good if its subscribe is not answered."""
    gates = [asyncio.Event(), asyncio.Event()]
    calls: list[int] = []

    class Slow(Channel):
        async def subscribed(self) -> None:
            calls.append(1)
            await gates[len(calls) - 1].wait()

    socket = await open_socket({"Streams": Slow}, extended=True)
    socket.command("subscribe", A)
    await until(lambda: len(calls) == 1)
    socket.command("unsubscribe", A)
    socket.command("subscribe", A)
    (connection,) = hub.connections
    await until(lambda: connection.pending_commands() == 3)
    gates[0].set()
    assert await socket.next() == CONFIRMED
    await until(lambda: len(calls) == 2)
    connection.disconnect("remote", reconnect=True)
    assert await socket.next() == CONFIRMED
    assert await socket.next() == {"type": "disconnect", "reason": "remote", "reconnect": True}
    gates[1].set()


async def test_user_who_is_sent_away_while_it_is_checked_who_they_are(
    hub: Hub, open_socket: Open
) -> None:
    reading, go = asyncio.Event(), asyncio.Event()

    async def slow(scope: Scope, token: str | None) -> Identity:
        if token == "early":
            reading.set()
            await go.wait()
        return Identity(key="ann")

    opening = asyncio.create_task(open_socket(authenticate=slow, query="jid=early", welcomed=False))
    await reading.wait()
    await adisconnect_identity("ann", reconnect=False)
    await until(lambda: hub._disconnected)
    go.set()
    socket = await opening
    assert await socket.next() == {"type": "disconnect", "reason": "remote", "reconnect": False}
    await open_socket(authenticate=slow)  # one that comes later is let in


async def test_users_who_were_sent_away_are_remembered_within_bounds(
    hub: Hub, open_socket: Open
) -> None:
    await open_socket()
    hub._settings = type(hub._settings)(max_remembered_disconnects=2)
    for name in "abc":
        hub._disconnect(name, reconnect=True)
    assert list(hub._disconnected) == ["b", "c"]
    hub._settings = type(hub._settings)(authenticate_timeout=1e-9, layer_timeout=1e-9)
    await asyncio.sleep(0.001)
    hub._disconnect("d", reconnect=True)
    assert list(hub._disconnected) == ["d"]


async def test_server_that_stops_while_a_session_is_taken_up_runs_every_callback(
    hub: Hub, open_socket: Open, store: UnrulyStore
) -> None:
    said: list[str] = []

    class Noting(Streams):
        async def subscribed(self) -> None:
            await super().subscribed()
            said.append(f"subscribed {self.params['name']}")
            if self.params["name"] == "b":
                await asyncio.Event().wait()

        async def unsubscribed(self) -> None:
            said.append(f"unsubscribed {self.params['name']}")

    async def connected(connection: Connection) -> None:
        said.append("connected")

    async def disconnected(connection: Connection) -> None:
        said.append("disconnected")

    earlier = await with_session(open_socket, store, A, B)
    socket = await resumed(
        open_socket,
        earlier,
        channels={"Streams": Noting},
        connected=connected,
        disconnected=disconnected,
        welcomed=False,
    )
    await until(lambda: "subscribed b" in said)
    socket.task.cancel()
    await asyncio.wait([socket.task])
    assert said == ["connected", "subscribed a", "subscribed b", "unsubscribed a", "disconnected"]
    assert len(hub.streams) == 0


async def test_of_two_that_take_up_a_session_one_gets_it(
    open_socket: Open, store: UnrulyStore
) -> None:
    earlier = await with_session(open_socket, store, A)
    store.late["load_session"] = asyncio.Event()
    opening = [asyncio.create_task(resumed(open_socket, earlier)) for _ in range(2)]
    await until(lambda: store.calls.count("load_session") == 2)
    store.late["load_session"].set()
    restored = [socket.restored for socket in await asyncio.gather(*opening)]
    assert sorted(restored, key=str) == [None, [A]] or sorted(restored, key=str) == [[A], None]


async def test_what_the_client_left_before_it_was_cut_is_not_restored(
    hub: Hub, open_socket: Open, store: UnrulyStore, settings: Settings
) -> None:
    settings.CABLE = {**settings.CABLE, "command_timeout": 2.0, "teardown_timeout": 2.0}
    go = asyncio.Event()

    class Busy(Streams):
        async def unsubscribed(self) -> None:
            await go.wait()

    socket = await open_socket({"Streams": Busy}, extended=True)
    await socket.subscribe(A)
    await socket.subscribe(B)
    socket.command("unsubscribe", A)
    socket.command("unsubscribe", B)
    socket.command("subscribe", B)  # behind a left that still runs
    (connection,) = hub.connections
    await until(lambda: connection.pending_commands() == 3)
    socket.cut()
    await saved(store, socket, [B])
    go.set()


async def test_first_frame_is_welcome_however_slow_the_application_is(
    hub: Hub, open_socket: Open, settings: Any
) -> None:
    await hub.close()
    settings.CABLE = {**settings.CABLE, "ping_interval": 0.02}
    go = asyncio.Event()

    async def slow(connection: Connection) -> None:
        await go.wait()

    socket = await open_socket(connected=slow, welcomed=False)
    other = await open_socket()
    for _ in range(3):  # its pings
        await other.event()
    go.set()
    assert json.loads((await socket.event())["text"]) == {"type": "welcome"}
    assert json.loads((await socket.event())["text"])["type"] == "ping"
    await Hub.current().close()


async def test_defect_of_ours_does_not_leave_a_socket_deaf(
    hub: Hub, open_socket: Open, caplog: pytest.LogCaptureFixture
) -> None:
    ended = []

    async def disconnected(connection: Connection) -> None:
        ended.append(connection)

    socket = await open_socket(disconnected=disconnected)
    (connection,) = hub.connections

    async def broken() -> None:
        raise LookupError("a defect")

    connection._queue.put(broken)
    assert await socket.next() == 4011  # no frame: clients come back
    await asyncio.wait([socket.task])
    assert ended == [connection]
    assert "a command failed; its socket is closed" in caplog.text


async def test_stream_is_of_one_kind(open_socket: Open, caplog: pytest.LogCaptureFixture) -> None:
    async def load() -> dict[str, State]:
        return {}

    class Conflated(Channel):
        async def subscribed(self) -> None:
            await self.stream_state("stream", load=load)

    ordered = await open_socket()
    await ordered.subscribe(A)
    socket = await open_socket({"Streams": Conflated})
    socket.command("subscribe", A)
    assert await socket.next() == {"type": "reject_subscription", "identifier": A}
    assert "stream 'stream' is ordered here; use `stream_from`" in caplog.text


async def test_subscribe_that_is_repeated_when_it_is_open_is_answered_once(
    hub: Hub, open_socket: Open
) -> None:
    go = asyncio.Event()

    class Busy(Streams):
        @action
        async def slow(self) -> None:
            await go.wait()

    socket = await open_socket({"Streams": Busy}, extended=True)
    await socket.subscribe(A)
    socket.perform(A, "slow")
    socket.command("subscribe", A)
    (connection,) = hub.connections
    await until(lambda: connection.pending_commands() == 1)
    connection.disconnect("remote", reconnect=True)
    assert await socket.next() == {"type": "disconnect", "reason": "remote", "reconnect": True}
    go.set()


async def test_subscribe_does_not_wait_for_another_channel(
    hub: Hub, open_socket: Open, settings: Settings
) -> None:
    settings.CABLE = {**settings.CABLE, "command_timeout": 5.0, "command_patience": 0.01}
    await hub.close()
    go = asyncio.Event()

    class Busy(Streams):
        @action
        async def slow(self) -> None:
            await go.wait()
            self.transmit({"done": 1})

    socket = await open_socket({"Streams": Busy})
    await socket.subscribe(A)
    socket.perform(A, "slow")
    await socket.subscribe(B)
    go.set()
    assert await socket.message(A) == {"done": 1}
    await Hub.current().close()


async def test_identity_that_expires_at_no_number_is_expired(open_socket: Open) -> None:
    async def never(scope: Scope, token: str | None) -> Identity:
        return Identity(key="ann", expires_at=float("nan"))

    socket = await open_socket(authenticate=never, welcomed=False)
    expired = {"type": "disconnect", "reason": "token_expired", "reconnect": False}
    assert await socket.next() == expired


async def test_identifier_forges_no_line_of_the_log(
    open_socket: Open, caplog: pytest.LogCaptureFixture
) -> None:
    socket = await open_socket()
    forged = "x\nCRITICAL all is lost"
    for command in ("subscribe", "unsubscribe", "message", "whisper"):
        socket.command(command, forged)
    await socket.next()
    await socket.quiet()
    assert r"x\nCRITICAL" in caplog.text
    assert "\nCRITICAL" not in caplog.text


async def test_client_that_leaves_again_while_it_is_leaving_is_answered(
    open_socket: Open, settings: Settings
) -> None:
    settings.CABLE = {**settings.CABLE, "command_timeout": 5.0, "subscribe_timeout": 5.0}
    gates = {name: asyncio.Event() for name in ("first", "other")}
    calls: list[str] = []

    class Leaving(Channel):
        async def subscribed(self) -> None:
            if self.params.get("name") == "b":
                await gates["other"].wait()

        async def unsubscribed(self) -> None:
            calls.append("left")
            if len(calls) == 1:
                await gates["first"].wait()

    socket = await open_socket({"Streams": Leaving})
    await socket.subscribe(A)
    for command in ("unsubscribe", "subscribe"):
        socket.command(command, A)
    socket.command("subscribe", B)
    await until(lambda: calls)
    socket.command("unsubscribe", A)
    await asyncio.sleep(0.01)
    gates["first"].set()
    assert await socket.next() == CONFIRMED
    socket.command("subscribe", A)
    gates["other"].set()
    answers = [await socket.next() for _ in range(2)]
    assert CONFIRMED in answers
    assert calls == ["left", "left"]


@pytest.mark.parametrize("how", ["told", "unauthorized"])
async def test_disconnect_that_comes_during_the_last_callbacks_changes_nothing(
    hub: Hub, open_socket: Open, settings: Settings, how: str
) -> None:
    settings.CABLE = {
        **settings.CABLE,
        "close_timeout": 0.05,
        "command_timeout": 3.0,
        "leftover_timeout": 1.0,
        "teardown_timeout": 3.0,
    }
    await hub.close()
    said: list[str] = []

    class Slow(Channel):
        async def unsubscribed(self) -> None:
            said.append("unsubscribed begins")
            await asyncio.sleep(0.3)
            said.append("unsubscribed ends")

        @action
        async def leave(self) -> None:
            await asyncio.sleep(0.1)
            raise Unauthorized

    async def disconnected(connection: Connection) -> None:
        said.append("disconnected")

    socket = await open_socket({"Streams": Slow}, disconnected=disconnected, query="jid=ann")
    await socket.subscribe(A)
    if how == "unauthorized":
        socket.perform(A, "leave")
        await asyncio.sleep(0.02)
    socket.cut()
    await asyncio.sleep(0.02)
    Hub.current()._disconnect("ann", reconnect=True)
    await asyncio.wait([socket.task], timeout=3)
    assert said == ["unsubscribed begins", "unsubscribed ends", "disconnected"]
    assert (Hub.current().connections, Hub.current().identities) == (set(), 0)
    await Hub.current().close()


async def test_subscribe_that_is_one_too_many_and_open_gets_no_second_answer(
    open_socket: Open, settings: Settings
) -> None:
    settings.CABLE = {**settings.CABLE, "command_burst": 2, "commands_per_second": 0.001}
    socket = await open_socket(extended=True)
    await socket.subscribe(A)
    for _ in range(2):
        socket.command("subscribe", A)
    assert (await socket.next())["reason"] == "too_many_commands"


async def test_unsubscribe_that_is_cut_short_leaves_no_listener(
    hub: Hub, open_socket: Open, store: UnrulyStore, settings: Settings
) -> None:
    settings.CABLE = {**settings.CABLE, "leftover_timeout": 0.1, "command_timeout": 3.0}
    await hub.close()
    calls: list[str] = []

    class Present(Channel):
        async def subscribed(self) -> None:
            await self.stream_from("room", presence=True)
            await self.join_presence("7")

        async def unsubscribed(self) -> None:
            calls.append("unsubscribed")

    socket = await open_socket({"Streams": Present}, extended=True)
    socket.command("subscribe", A)
    while (await socket.next())["type"] != "confirm_subscription":
        pass
    store.gate("presence_leave")
    socket.command("unsubscribe", A)
    await until(lambda: "presence_leave" in store.calls)
    socket.cut()
    await asyncio.wait([socket.task], timeout=3)
    assert calls == ["unsubscribed"]
    assert Hub.current().streams.get("room") is None
    await Hub.current().close()


async def test_session_of_a_socket_that_is_cut_while_taking_it_up_is_not_spent(
    open_socket: Open, store: UnrulyStore, settings: Settings
) -> None:
    settings.CABLE = {**settings.CABLE, "subscribe_timeout": 2.0}
    earlier = await with_session(open_socket, store, A)
    go, begun = asyncio.Event(), asyncio.Event()

    class Slow(Streams):
        async def subscribed(self) -> None:
            begun.set()
            await go.wait()
            await super().subscribed()

    socket = await resumed(open_socket, earlier, channels={"Streams": Slow}, welcomed=False)
    await begun.wait()
    socket.cut()
    await asyncio.sleep(0.01)
    go.set()
    await asyncio.wait([socket.task])
    assert (await resumed(open_socket, earlier)).restored == [A]


async def test_requests_that_came_in_time_may_wait_for_their_turn(
    open_socket: Open, store: UnrulyStore, settings: Settings
) -> None:
    settings.CABLE = {**settings.CABLE, "restore_hold": 0.1, "command_timeout": 2.0}
    earlier = await with_session(open_socket, store, A, B)
    socket = await resumed(open_socket, earlier)
    assert socket.restored == [A, B]
    store.late["read"] = asyncio.Event()
    for channel in (A, B):
        socket.command("history", channel, history={"since": 1})
    await abroadcast("stream", {"n": 1})
    await asyncio.sleep(0.2)  # longer than they are held without a request
    store.late["read"].set()
    said: list[Any] = []
    while len([frame for frame in said if "history" in frame.get("type", "")]) < 2:
        said.append(await socket.next())
    assert {frame.get("type") for frame in said} <= {None, "confirm_history"}


async def test_several_losses_ask_for_one_new_state(hub: Hub, open_socket: Open) -> None:
    calls: list[int] = []
    go = asyncio.Event()

    class Resyncs(Streams):
        async def resync(self) -> None:
            calls.append(1)
            await go.wait()

    socket = await open_socket({"Streams": Resyncs})
    await socket.subscribe(identifier("plain"))
    for _ in range(10):
        hub._on_interrupted()
    await until(lambda: calls)
    (connection,) = hub.connections
    assert connection.pending_commands() == 1
    hub._on_interrupted()  # during one, another is due
    assert connection.pending_commands() == 2
    go.set()
    await until(lambda: len(calls) == 2)
