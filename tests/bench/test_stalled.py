"""Slow readers: what each is owed, how it comes back, what is said of it all."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bench.accounting import Usage
from bench.connections import established
from bench.sequence import make_message
from bench.sleepers import Account, OpenAll, Sleep, Sleepers, TakeAccounts, Wake, Woken
from bench.stalled_figures import Round, Run, Window, parts
from bench.verdict import last_line
from bench.websocket import Target
from tests.bench.test_websocket import CONFIRM, IDENTIFIER, UPGRADE, WELCOME, frame, unmasked

TOO_SLOW = '{"type":"disconnect","reason":"too_slow","reconnect":true}'


def take(account: Account, *numbers: int) -> Account:
    for number in numbers:
        account.take(number)
    return account


def test_who_got_everything_once_misses_nothing() -> None:
    account = take(Account(), 1, 2, 3)
    assert (account.received, account.repeated, account.missing(3)) == (3, 0, 0)


def test_what_is_lost_without_a_word_is_unaccounted_wherever_it_is() -> None:
    assert take(Account(), 2, 3).missing(3) == 1
    assert take(Account(), 1, 4).missing(4) == 2
    assert take(Account(), 1, 2).missing(4) == 2
    assert Account().missing(4) == 4


def test_what_was_said_to_be_lost_is_accounted_for_once() -> None:
    account = take(Account(), 1)
    account.take_rejection()
    take(account, 5, 6)
    assert (account.rejected, account.missing(6)) == (3, 0)
    take(account, 8)
    assert (account.rejected, account.missing(8)) == (3, 1)
    account.take_rejection()
    assert account.missing(20) == 1


def test_what_comes_again_is_counted() -> None:
    account = take(Account(), 1, 2, 2, 1, 3)
    assert (account.received, account.repeated, account.missing(3)) == (3, 2, 0)


class Server:
    """Speaks just enough of the cable; each socket's commands and its writer are kept."""

    def __init__(self) -> None:
        self.port = 0
        self.sockets: asyncio.Queue[tuple[dict[str, Any], asyncio.StreamWriter]] = asyncio.Queue()
        self._open: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(UPGRADE + frame(WELCOME))
        head = await reader.readexactly(2)
        size = head[1] & 0x7F
        extra = await reader.readexactly(2) if size == 126 else b""
        length = int.from_bytes(extra, "big") if extra else size
        _, command = unmasked(head + extra + await reader.readexactly(4 + length))
        writer.write(frame(CONFIRM))
        await self.sockets.put((json.loads(command), writer))

    def close(self) -> None:
        for writer in self._open:
            writer.transport.abort()


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        server.close()
        await listening.wait_closed()


def numbered(number: int) -> bytes:
    message = {
        "identifier": IDENTIFIER,
        "message": make_message(number, 0, 200),
        "stream_id": "one",
        "epoch": "first",
        "offset": number,
    }
    return frame(json.dumps(message))


async def opened(sleepers: Sleepers, server: Server) -> asyncio.StreamWriter:
    target = Target(server.port, "/cable", "actioncable-v1-ext-json", IDENTIFIER)
    await sleepers.handle(OpenAll([target], 20))
    command, writer = await server.sockets.get()
    assert command == {"command": "subscribe", "identifier": IDENTIFIER}
    return writer


async def account_of(sleepers: Sleepers, *, received: int) -> Account:
    """Its account, once it got so many."""
    async with asyncio.timeout(20):
        while True:
            accounts = await sleepers.handle(TakeAccounts())
            assert isinstance(accounts, list)
            if accounts[0].received == received:
                return accounts[0]
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("said", ["confirm_history", "reject_history"])
async def test_a_sleeper_that_was_told_comes_back_from_its_last_position(said: str) -> None:
    async with serving() as server:
        sleepers = Sleepers()
        writer = await opened(sleepers, server)
        writer.write(numbered(1) + numbered(2))
        await account_of(sleepers, received=2)
        await sleepers.handle(Sleep())
        writer.write(numbered(3) + frame(TOO_SLOW))
        waking = asyncio.create_task(sleepers.handle(Wake(20)))
        command, again = await server.sockets.get()
        assert command["history"] == {"streams": {"one": {"epoch": "first", "offset": 3}}}
        replayed = b"" if said == "reject_history" else numbered(4)
        answer = frame(json.dumps({"identifier": IDENTIFIER, "type": said}))
        again.write(replayed + answer + numbered(5))
        woken = await waking
        assert woken == Woken(
            too_slow=1,
            confirmed=int(said == "confirm_history"),
            rejected=int(said == "reject_history"),
        )
        account = await account_of(sleepers, received=5 if replayed else 4)
        assert account.missing(5) == 0
        assert account.rejected == (0 if replayed else 1)


async def test_a_sleeper_that_is_only_cut_or_never_let_in_again_is_told_apart() -> None:
    async with serving() as server:
        sleepers = Sleepers()
        writer = await opened(sleepers, server)
        await sleepers.handle(Sleep())
        writer.transport.abort()
        waking = asyncio.create_task(sleepers.handle(Wake(20)))
        for _ in range(5):
            _, again = await server.sockets.get()
            again.write(frame(TOO_SLOW))
        woken = await waking
        assert isinstance(woken, Woken)
        assert (woken.too_slow, woken.closed, woken.still_open) == (0, 1, 0)
        assert (woken.confirmed, woken.rejected, woken.cut_again) == (0, 0, 5)
        assert woken.failed == {f"told {TOO_SLOW}": 1}


async def test_a_sleeper_that_is_cut_again_and_again_goes_on_as_long_as_that_helps() -> None:
    async with serving() as server:
        sleepers = Sleepers()
        writer = await opened(sleepers, server)
        await sleepers.handle(Sleep())
        writer.write(frame(TOO_SLOW))
        waking = asyncio.create_task(sleepers.handle(Wake(20)))
        for number in range(1, 11):
            _, again = await server.sockets.get()
            again.write(numbered(number) + frame(TOO_SLOW))
        confirmed = frame(json.dumps({"identifier": IDENTIFIER, "type": "confirm_history"}))
        _, again = await server.sockets.get()
        again.write(confirmed + frame(TOO_SLOW))  # and after its answer, too
        assert await waking == Woken(too_slow=1, confirmed=1, cut_again=10)
        command, again = await server.sockets.get()
        assert command["history"]["streams"]["one"]["offset"] == 10
        again.write(confirmed + numbered(11))
        assert (await account_of(sleepers, received=11)).missing(11) == 0


async def test_a_sleeper_that_came_back_may_sleep_again() -> None:
    async with serving() as server:
        sleepers = Sleepers()
        writer = await opened(sleepers, server)
        confirmed = frame(json.dumps({"identifier": IDENTIFIER, "type": "confirm_history"}))
        for number in (1, 2, 3):
            await sleepers.handle(Sleep())
            writer.write(numbered(number) + frame(TOO_SLOW))
            waking = asyncio.create_task(sleepers.handle(Wake(20)))
            command, writer = await server.sockets.get()
            assert command["history"]["streams"]["one"]["offset"] == number
            writer.write(confirmed)
            assert await waking == Woken(too_slow=1, confirmed=1)


async def test_a_sleeper_that_nobody_let_go_is_still_open() -> None:
    async with serving() as server:
        sleepers = Sleepers()
        await opened(sleepers, server)
        await sleepers.handle(Sleep())
        assert await sleepers.handle(Wake(0.05)) == Woken(still_open=1)


async def test_who_sleeps_takes_in_little() -> None:
    async with serving() as server:
        sleepers = Sleepers()
        writer = await opened(sleepers, server)
        await sleepers.handle(Sleep())
        peer: socket.socket = writer.get_extra_info("socket")
        assert peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) <= 1460
        writer.transport.set_write_buffer_limits(0)
        size = 4 * 1024 * 1024
        writer.write(b"\x82" + b"\x7f" + size.to_bytes(8, "big") + bytes(size))
        waiting = -1
        async with asyncio.timeout(20):
            while waiting != writer.transport.get_write_buffer_size():
                waiting = writer.transport.get_write_buffer_size()
                await asyncio.sleep(0.2)
        assert waiting > size // 2


def test_established_counts_the_connections_that_the_listener_has_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        accepted = [listening.accept()[0] for _ in clients]
        assert established(port) == 3
        accepted[0].close()
        assert established(port) == 2
        for each in (*clients, *accepted):
            each.close()


def window(p99: float, *, disturbed: bool = False) -> Window:
    server_core = 0.9 if disturbed else 0.5
    return Window(1.0, p99, p99, 100, Usage(1.0, 0.5, 0.0, [], 0.0, server_core, 0.0, 1))


def run(**changed: Any) -> Run:
    woken = changed.pop("woken", Woken(too_slow=60, closed=40, confirmed=99, rejected=1))
    values: dict[str, Any] = {
        "stack": "ours",
        "sockets": 1000,
        "stalled": 100,
        "per_second": 20.0,
        "rounds": [
            Round(
                without=[window(10.0), window(10.0), window(90.0, disturbed=True)],
                stalled=changed.pop("stalled_windows", [window(11.0)]),
                recovering=window(50.0),
                grown=changed.pop("grown", 110 * 2**20),
                seconds=20.0,
                let_go=100,
                woken=woken,
            )
        ],
        "published": 1000,
        "lost": 0,
        "received": 100_000,
        "repeated": 0,
        "rejected": 0,
        "unaccounted": 0,
        "lost_sockets": 0,
    }
    return Run(**{**values, **changed})


def test_the_verdict_of_a_run_that_just_holds() -> None:
    assert last_line("stalled", parts([run()])) == (
        "stalled: p99 of the others 110 % (<= 110) · memory 110 MiB (<= 110) · not told 0 · "
        "not back 0 · unaccounted 0 · repeated 0 · lost by the others 0 · sockets lost 0"
    )


@pytest.mark.parametrize(
    ("changed", "failed"),
    [
        ({"stalled_windows": [window(11.01)]}, "p99 of the others"),
        ({"grown": 110 * 2**20 + 1}, "memory"),
        ({"woken": Woken(too_slow=60, closed=39, confirmed=100)}, "not told"),
        ({"woken": Woken(too_slow=100, confirmed=98, rejected=1)}, "not back"),
        ({"unaccounted": 1}, "unaccounted"),
        ({"repeated": 1}, "repeated"),
        ({"lost": 1}, "lost by the others"),
        ({"lost_sockets": 1}, "sockets lost"),
    ],
)
def test_each_part_fails_by_itself_however_well_another_run_did(
    changed: dict[str, Any], failed: str
) -> None:
    assert [part.name for part in parts([run(), run(**changed)]) if not part.holds] == [failed]


def test_disturbed_windows_count_only_if_there_is_no_other() -> None:
    mixed = [window(90.0, disturbed=True), window(11.0), window(12.0), window(13.0)]
    assert run(stalled_windows=mixed).p99_stalled == 12.0
    assert run(stalled_windows=mixed[:1]).p99_stalled == 90.0
