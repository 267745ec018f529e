"""A layer that drops what it cannot take is found out."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cable import Channel, State, abroadcast, abroadcast_state
from cable.sequence import Numbering, Sequence
from tests.cable.conftest import Open

A = '{"channel":"A"}'


class Counted:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("cable.sequence._LATE", 0.01)
        self.gaps = 0
        self.heard = asyncio.Event()
        self.sequence = Sequence(self._on_gap)
        self.sender = Numbering()

    def _on_gap(self) -> None:
        self.gaps += 1
        self.heard.set()

    def events(self, count: int) -> list[dict[str, Any]]:
        return [self.sender.number({"stream": "s"}) for _ in range(count)]

    async def quiet(self) -> None:
        """After a sequence has looked, if it was going to."""
        if self.sequence._timer is not None:
            looked = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_at(
                self.sequence._timer.when() + 0.001, looked.set_result, None
            )
            await looked


async def test_messages_that_overtake_each_other_are_no_gap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = Counted(monkeypatch)
    first, second, third = counted.events(3)
    for event in (first, third, second):
        counted.sequence.take(event)
    await counted.quiet()
    assert counted.gaps == 0


async def test_number_that_is_late_has_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(monkeypatch)
    monkeypatch.setattr("cable.sequence._LATE", 0.2)
    events = counted.events(5)
    for number in (0, 2, 1):  # harmless, but it was looked out for the second
        counted.sequence.take(events[number])
    loop = asyncio.get_running_loop()
    timer = counted.sequence._timer
    assert timer is not None
    first_look = loop.create_future()
    loop.call_at(timer.when() - 0.1, lambda: counted.sequence.take(events[4]))
    loop.call_at(timer.when() + 0.01, first_look.set_result, None)
    await first_look
    assert counted.gaps == 0
    counted.sequence.take(events[3])
    await counted.quiet()
    assert counted.gaps == 0


async def test_gap_is_told_once_and_a_later_one_again(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(monkeypatch)
    events = counted.events(7)
    for number in (0, 3, 4):
        counted.sequence.take(events[number])
    await counted.quiet()
    assert counted.gaps == 1
    counted.sequence.take(events[6])
    await counted.quiet()
    assert counted.gaps == 2


async def test_count_that_the_sender_forgot_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cable.sequence._MAX_REMEMBERED", 2)
    counted = Counted(monkeypatch)
    for event in counted.events(100):
        counted.sequence.take(event)
    for other in ("t", "u"):
        counted.sender.number({"stream": other})
    assert counted.sender.last({"stream": "s"}) is None
    events = counted.events(3)
    counted.sequence.take(events[0])
    counted.sequence.take(events[2])
    await counted.quiet()
    assert counted.gaps == 1


async def test_what_was_sent_before_is_not_missed_but_the_end_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = Counted(monkeypatch)
    events = counted.events(5)
    counted.sequence.take(events[2])
    counted.sequence.take(events[3])
    await counted.quiet()
    assert counted.gaps == 0
    counted.sequence.take(counted.sender.last({"stream": "s"}), arrived=False)
    await counted.quiet()
    assert counted.gaps == 1


async def test_burst_beyond_the_layers_capacity_makes_channels_tell_their_state(
    open_socket: Open, settings: Any
) -> None:
    """The in-memory layer drops what exceeds 100 messages."""
    settings.CABLE = {**settings.CABLE, "history": {"*": {"limit": 0}}}
    total = 0

    class A_(Channel):
        async def subscribed(self) -> None:
            await self.stream_from("stream")

        async def resync(self) -> None:
            self.transmit({"total": total})

    socket = await open_socket({"A": A_})
    await socket.subscribe(A)
    await abroadcast("stream", {"n": 0})
    assert await socket.message(A) == {"n": 0}
    total = 500
    await asyncio.gather(*(abroadcast("stream", {"n": n}) for n in range(1, 501)))
    while "total" not in (message := await socket.message(A)):
        pass
    assert message == {"total": 500}


async def test_burst_of_a_conflated_stream_ends_in_the_true_state(open_socket: Open) -> None:
    truth: dict[str, State] = {}

    async def load() -> dict[str, State]:
        return dict(truth)

    class A_(Channel):
        async def subscribed(self) -> None:
            await self.stream_state("stream", load=load)

    socket = await open_socket({"A": A_})
    await socket.subscribe(A)
    assert (await socket.message(A))["items"] == {}
    truth["0"] = State(1, {"n": 0})
    await abroadcast_state("stream", {"0": truth["0"]})
    shown = (await socket.message(A))["items"]
    assert shown == {"0": {"n": 0}}
    truth.update({str(n): State(1, {"n": n}) for n in range(1, 500)})
    await asyncio.gather(
        *(abroadcast_state("stream", {key: truth[key]}) for key in truth if key != "0")
    )
    while len(shown) < 500:
        message = await socket.message(A)
        shown = message["items"] if message["type"] == "snapshot" else shown | message["items"]
    assert shown == {key: state.value for key, state in truth.items()}
