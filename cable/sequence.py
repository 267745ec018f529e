"""Numbers on messages that have no history, so that one which a layer dropped is missed."""

from __future__ import annotations

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Callable

from cable.envelope import Event

#: Streams whose next number a sender remembers, and senders that a stream's receiver does. One
#: that is forgotten starts anew, and a loss at that moment is not seen.
_MAX_REMEMBERED = 10_000
#: A process' messages may overtake each other by so much, seconds.
_LATE = 0.5


class Numbering:
    """The sender's side: each stream's messages are numbered from 1."""

    def __init__(self) -> None:
        self._id = uuid.uuid4().hex
        self._last: OrderedDict[str, int] = OrderedDict()

    def number(self, event: Event) -> Event:
        """The event with the next number of its stream."""
        stream = event["stream"]
        number = self._last.pop(stream, 0) + 1
        self._last[stream] = number
        if len(self._last) > _MAX_REMEMBERED:
            self._last.popitem(last=False)
        return self.last(event, number)

    def last(self, event: Event, number: int | None = None) -> Event:
        """The event with its stream's last number."""
        number = self._last.get(event["stream"], 0) if number is None else number
        return {**event, "sender": self._id, "number": number}


class Sequence:
    """The receiver's side, for one stream: `on_gap` is called when a number never came."""

    def __init__(self, on_gap: Callable[[], None]) -> None:
        self._on_gap = on_gap
        self._expected: OrderedDict[str, int] = OrderedDict()
        self._missing: set[tuple[str, int]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def take(self, event: Event, *, arrived: bool = True) -> None:
        """Note a message; without `arrived`, that the sender has sent so many."""
        sender, number = event["sender"], event["number"]
        expected = self._expected.pop(sender, None)
        if expected is None:
            expected = number + 1  # what it sent before we listened does not count
        self._expected[sender] = max(expected, number + 1)
        if len(self._expected) > _MAX_REMEMBERED:
            self._expected.popitem(last=False)
        end = number if arrived else number + 1
        for missing in range(expected, min(end, expected + _MAX_REMEMBERED)):
            self._missing.add((sender, missing))
        if arrived:
            self._missing.discard((sender, number))
        if self._missing and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LATE, self._look)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._timer = None
        if self._missing:
            self._missing.clear()
            self._on_gap()
