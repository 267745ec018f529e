"""Clients that stop reading, as a laptop that sleeps, and come back for what they missed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from bench.websocket import Socket, Target

#: What the kernel takes in for a socket that does not read: little, but enough that the kernels
#: do not wait for each other while it does read; and in packets as large as those of a network:
#: the loopback interface's are 64 KiB, of which the server's kernel would take megabytes before
#: the server noticed anything.
RECEIVE_BUFFER, SEGMENT = 65_536, 1460
# Attempts to come back that bring no message, one after the other, and the wait between them.
_ATTEMPTS, _AGAIN = 5, 0.2
#: And at most so many steps of `Wake.within`, however much they bring.
MOST_STEPS = 5


@dataclass(frozen=True)
class OpenAll:
    """Open these sockets, a few at the same time."""

    targets: Sequence[Target]
    within: float


@dataclass(frozen=True)
class Sleep:
    """Stop reading, all at once."""


@dataclass(frozen=True)
class Wake:
    """Read again, learn that the socket is gone, come back and ask for what was missed.

    `within` (seconds) counts for learning it, and for each attempt to come back.
    """

    within: float


@dataclass(frozen=True)
class TakeAccounts:
    """The account of each; nothing is reset."""


@dataclass
class Account:
    """Messages of one client by what became of them; they are numbered from 1."""

    expected: int = 1
    received: int = 0
    repeated: int = 0
    #: Lost as the server had said.
    rejected: int = 0
    #: Lost without a word.
    unaccounted: int = 0
    _was_told: bool = False

    def take(self, number: int) -> None:
        if number < self.expected:
            self.repeated += 1
            return
        missed = number - self.expected
        if self._was_told:
            self.rejected += missed
        else:
            self.unaccounted += missed
        self._was_told = False
        self.received += 1
        self.expected = number + 1

    def take_rejection(self) -> None:
        """The server said that what comes next may follow a loss."""
        self._was_told = True

    def missing(self, published: int) -> int:
        """All that never came without a word, after so many were published."""
        tail = 0 if self._was_told else published + 1 - self.expected
        return self.unaccounted + tail


@dataclass
class Woken:
    """How many were told `too_slow`, only closed, or neither; and how they came back."""

    too_slow: int = 0
    closed: int = 0
    still_open: int = 0
    why: dict[str, int] = field(default_factory=dict)
    #: Their requests for history were answered: everything was sent, or is said to be lost.
    confirmed: int = 0
    rejected: int = 0
    #: How often one that had come back was cut again before its request was answered.
    cut_again: int = 0
    failed: dict[str, int] = field(default_factory=dict)


class _Position(msgspec.Struct):
    epoch: str
    offset: int


class _Message(msgspec.Struct):
    """Made by `bench.sequence.make_message`."""

    mark: str

    @property
    def number(self) -> int:
        return int(self.mark.split()[0].removeprefix("#"))


class _Received(msgspec.Struct):
    type: str = ""
    message: _Message | None = None
    stream_id: str = ""
    epoch: str = ""
    offset: int = 0


_CONFIRMED, _REJECTED = _ANSWERS = ("confirm_history", "reject_history")
_decoder = msgspec.json.Decoder(_Received)


class SleepySocket(Socket):
    """A socket that can stop reading, and takes in little then."""

    def __init__(self, target: Target, client: Sleeper, on_lost: Callable[[str], None]) -> None:
        super().__init__(target, client.read, on_lost)
        self._client = client

    async def open(self) -> float:
        loop = asyncio.get_running_loop()
        connecting = socket.socket()
        connecting.setblocking(False)
        try:
            connecting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
            await loop.sock_connect(connecting, ("127.0.0.1", self._target.port))
            await loop.create_connection(lambda: self, sock=connecting)
        except BaseException:
            connecting.close()
            raise
        return await self.opened

    def pause(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _subscribe_command(self) -> dict[str, object]:
        command = super()._subscribe_command()
        positions = self._client.positions
        return {**command, "history": {"streams": positions}} if positions else command


class Sleeper:
    """One client: its socket of the moment, its positions, its account."""

    def __init__(self, target: Target) -> None:
        self.account = Account()
        self.positions: dict[str, _Position] = {}
        self._target = target
        self._socket: SleepySocket | None = None
        self._staying: asyncio.Task[None] | None = None
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def open(self, within: float) -> None:
        """Raises OSError or TimeoutError."""
        loop = asyncio.get_running_loop()
        self._lost, self._answer = loop.create_future(), loop.create_future()
        lost = self._lost
        # Only the first reason counts, and only of this socket.
        opening = SleepySocket(
            self._target, self, lambda why: None if lost.done() else lost.set_result(why)
        )
        try:
            async with asyncio.timeout(within):
                await opening.open()
        except BaseException:
            opening.close()
            raise
        self._socket = opening

    def sleep(self) -> None:
        if self._staying is not None:
            self._staying.cancel()
        if self._socket is not None:
            self._socket.pause()

    async def wake(self, within: float, woken: Woken) -> None:
        """Come back; adds to `woken`."""
        if self._socket is not None:
            self._socket.resume()
        done, _ = await asyncio.wait([self._lost], timeout=within)
        if not done:
            woken.still_open += 1
            return
        why = self._lost.result()
        if '"reason":"too_slow","reconnect":true' in why:
            woken.too_slow += 1
        else:
            woken.closed += 1
            woken.why[why] = woken.why.get(why, 0) + 1
        said = await self._catch_up(within, woken)
        if said == _CONFIRMED:
            woken.confirmed += 1
        elif said == _REJECTED:
            woken.rejected += 1
        else:
            woken.failed[said] = woken.failed.get(said, 0) + 1
            return
        self._staying = asyncio.create_task(self._stay(within))

    async def _catch_up(self, within: float, woken: Woken) -> str:
        """What the server answered in the end, or why it did not."""
        loop = asyncio.get_running_loop()
        received, vain, started = self.account.received, 0, loop.time()
        while True:
            said = await self._come_back(within)
            if said in _ANSWERS:
                return said
            woken.cut_again += 1
            vain = vain + 1 if self.account.received == received else 0
            received = self.account.received
            if vain == _ATTEMPTS or loop.time() - started > MOST_STEPS * within:
                return said
            await asyncio.sleep(_AGAIN)

    async def _stay(self, within: float) -> None:
        """Come back, as every client does, whenever the socket is lost."""
        while True:
            await asyncio.wait([self._lost])  # which outlives this task
            await self._catch_up(within, Woken())

    async def _come_back(self, within: float) -> str:
        """What the server answered to the request for history, or why it did not."""
        try:
            await self.open(within)
        except (OSError, TimeoutError) as error:
            return str(error) or "not open in time"
        await asyncio.wait(
            [self._answer, self._lost], timeout=within, return_when=asyncio.FIRST_COMPLETED
        )
        for each in (self._answer, self._lost):
            if each.done():
                return each.result()
        return "no answer in time"

    def read(self, data: bytes, start: int, end: int, now: int) -> None:
        received = _decoder.decode(data[start:end])
        if received.message is not None:
            self.account.take(received.message.number)
            self.positions[received.stream_id] = _Position(received.epoch, received.offset)
            return
        if received.type == _REJECTED:
            self.account.take_rejection()
        if received.type in _ANSWERS and not self._answer.done():
            self._answer.set_result(received.type)


class Sleepers:
    """The process' own end."""

    def __init__(self) -> None:
        self._sleepers: list[Sleeper] = []

    async def handle(self, order: OpenAll | Sleep | Wake | TakeAccounts) -> object:
        match order:
            case OpenAll():
                for target in order.targets:
                    sleeper = Sleeper(target)
                    await sleeper.open(order.within)
                    self._sleepers.append(sleeper)
                return None
            case Sleep():
                for sleeper in self._sleepers:
                    sleeper.sleep()
                return None
            case Wake():
                woken = Woken()
                await asyncio.gather(*(each.wake(order.within, woken) for each in self._sleepers))
                return woken
            case TakeAccounts():
                return [sleeper.account for sleeper in self._sleepers]
