"""Sockets that are asked to go elsewhere."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from pytest_django import Settings

from cable import draining
from cable.conf import CableSettings
from cable.connection import Connection
from cable.hub import Hub
from tests.cable.channels import Streams, identifier
from tests.cable.conftest import Open
from tests.cable.polling import until

A = identifier("stream", name="a")
RESTART = {"type": "disconnect", "reason": "server_restart", "reconnect": True}


@pytest.fixture(autouse=True)
def at_once(settings: Settings) -> None:
    settings.CABLE = {
        **settings.CABLE,
        "drain_window": 0.0,
        "drain_quiet": 0.0,
        "subscribe_timeout": 5.0,
        "command_timeout": 5.0,
        "teardown_timeout": 5.0,
    }


class Gated(Streams):
    """Waits in `subscribed` or `unsubscribed` for the test."""

    gate: asyncio.Event

    async def subscribed(self) -> None:
        await super().subscribed()
        if self.params["name"] == "slow to open":
            await self.gate.wait()

    async def unsubscribed(self) -> None:
        if self.params["name"] == "slow to close":
            await self.gate.wait()
        await super().unsubscribed()


@pytest.fixture
def gate() -> asyncio.Event:
    Gated.gate = asyncio.Event()
    return Gated.gate


class Moments:
    """In place of chance."""

    def __init__(self, *moments: float) -> None:
        self.moments = list(moments)
        self.ranges: list[tuple[float, float]] = []

    def uniform(self, low: float, high: float) -> float:
        self.ranges.append((low, high))
        return self.moments.pop(0)


class Fake:
    """A socket as a drain sees it."""

    def __init__(self, *, quiet: bool = True) -> None:
        self.quiet = quiet
        self.gone: list[tuple[str, bool]] = []
        self.asked: list[float] = []

    def is_quiet(self, seconds: float) -> bool:
        self.asked.append(seconds)
        return self.quiet

    def disconnect(self, reason: str, *, reconnect: bool) -> None:
        self.gone.append((reason, reconnect))


async def test_sockets_go_at_moments_of_their_own_over_the_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moments = Moments(4.0, 0.0, 2.5)
    monkeypatch.setattr(draining, "_moments", moments)
    before = asyncio.get_running_loop().time()
    sockets = cast("list[Any]", [Fake(), Fake(), Fake()])
    timers = draining.retire_all(sockets, CableSettings(drain_window=5.0))
    assert moments.ranges == [(0, 5.0)] * 3
    after = asyncio.get_running_loop().time()
    for timer, moment in zip(timers, (4.0, 0.0, 2.5), strict=True):
        assert before + moment <= timer.when() <= after + moment
    await until(lambda: sockets[1].gone)
    assert [socket.gone for socket in sockets] == [[], [("server_restart", True)], []]
    for timer in timers:
        timer.cancel()


async def test_moments_are_spread_over_the_whole_window() -> None:
    before = asyncio.get_running_loop().time()
    sockets = cast("list[Connection]", [Fake() for _ in range(1000)])
    timers = draining.retire_all(sockets, CableSettings(drain_window=1000.0))
    # Setting them took a moment, so the last may be just behind the window.
    tenths = {min(9, int((timer.when() - before) // 100)) for timer in timers}
    assert tenths == set(range(10))
    for timer in timers:
        timer.cancel()


async def test_busy_socket_is_waited_for_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "_AGAIN", 0.001)
    busy, stuck = Fake(quiet=False), Fake(quiet=False)
    draining._retire(
        cast(Connection, busy), CableSettings(subscribe_timeout=600.0, drain_quiet=0.3)
    )
    draining._retire(cast(Connection, stuck), CableSettings(subscribe_timeout=0.05))
    await until(lambda: stuck.gone)
    assert stuck.gone == [("server_restart", True)]
    assert busy.gone == []
    assert set(busy.asked) == {0.3}
    busy.quiet = True
    await until(lambda: busy.gone)
    assert busy.gone == [("server_restart", True)]


async def test_socket_is_quiet_when_all_is_answered_and_nothing_came_for_a_while(
    hub: Hub, open_socket: Open, gate: asyncio.Event
) -> None:
    socket = await open_socket({"Streams": Gated})
    (connection,) = hub.connections
    assert connection.is_quiet(60.0)
    socket.command("subscribe", identifier(name="slow to open"))
    await until(lambda: Streams.calls)
    assert not connection.is_quiet(0.0)
    gate.set()
    assert (await socket.next())["type"] == "confirm_subscription"
    await until(lambda: connection.is_quiet(0.0))
    assert not connection.is_quiet(60.0)


@pytest.mark.parametrize("extended", [False, True])
async def test_subscribe_is_answered_before_its_socket_goes(
    hub: Hub, open_socket: Open, gate: asyncio.Event, extended: bool
) -> None:
    """Clients close a subscription for good when the socket goes before the answer."""
    socket = await open_socket({"Streams": Gated}, extended=extended)
    channel = identifier(name="slow to open")
    socket.command("subscribe", channel)
    await until(lambda: Streams.calls)
    drain = asyncio.create_task(hub.drain())
    await until(lambda: hub.draining)
    bystander = await open_socket(welcomed=False)
    assert await bystander.next() == RESTART
    assert socket.sent.empty()
    gate.set()
    assert await socket.next() == {"type": "confirm_subscription", "identifier": channel}
    assert await socket.next() == RESTART
    assert await socket.next() == 1000
    await drain
    assert hub.connections == set()


@pytest.mark.parametrize("extended", [False, True])
async def test_socket_that_opens_while_draining_hears_that_first(
    hub: Hub, open_socket: Open, extended: bool
) -> None:
    hooks: list[str] = []

    async def hook(connection: Connection) -> None:
        hooks.append("ran")

    await hub.drain()
    socket = await open_socket(extended=extended, connected=hook, disconnected=hook, welcomed=False)
    socket.command("subscribe", A)
    assert await socket.next() == RESTART
    assert await socket.next() == 1000
    await asyncio.wait([socket.task])
    assert hooks == []
    assert Streams.calls == []
    assert hub.connections == set()


async def test_drain_returns_when_the_last_unsubscribed_ran(
    hub: Hub, open_socket: Open, gate: asyncio.Event
) -> None:
    sockets = [await open_socket({"Streams": Gated}) for _ in range(2)]
    for socket in sockets:
        await socket.subscribe(A)
    await sockets[0].subscribe(identifier(name="slow to close"))
    drain = asyncio.create_task(hub.drain())
    for socket in sockets:
        assert await socket.next() == RESTART
        assert await socket.next() == 1000
    await asyncio.wait([sockets[1].task])
    assert not drain.done()
    gate.set()
    await drain
    assert sorted(call for call in Streams.calls if call.startswith("un")) == [
        "unsubscribed a",
        "unsubscribed a",
        "unsubscribed slow to close",
    ]
    assert len(hub.streams) == 0


async def test_drain_does_not_wait_for_ever(
    settings: Settings,
    hub: Hub,
    open_socket: Open,
    gate: asyncio.Event,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.CABLE = {**settings.CABLE, "drain_timeout": 0.05}
    await hub.close()  # it had the settings of before
    socket = await open_socket({"Streams": Gated})
    await socket.subscribe(identifier(name="slow to close"))
    await Hub.current().drain()
    assert "1 sockets did not close while draining" in caplog.text
    gate.set()
    await Hub.current().close()


async def test_drain_without_sockets_is_over_at_once(hub: Hub) -> None:
    async with asyncio.timeout(1):
        await hub.drain()


async def test_session_of_a_socket_that_was_sent_away_is_over(hub: Hub, open_socket: Open) -> None:
    """Its client says so itself: it comes back with `sid=`."""
    socket = await open_socket(extended=True)
    await socket.subscribe(A)
    await hub.drain()
    assert hub.sessions._kept == set()
    assert hub.sessions._changed == set()
