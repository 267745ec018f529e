"""Numbers on messages that have no history, so that one which a layer dropped is missed."""

from __future__ import annotations

import asyncio
import itertools
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
    """The sender's side: each stream's messages are numbered from 1.

    A count that was forgotten begins anew as that of another sender: receivers take smaller
    numbers than they know for repetitions.
    """

    def __init__(self) -> None:
        self._id = uuid.uuid4().hex
        self._counts = itertools.count()
        # Stream → the sender's name there, and the last number.
        self._last: OrderedDict[str, tuple[str, int]] = OrderedDict()

    def number(self, event: Event) -> Event:
        """The event with the next number of its stream."""
        stream = event["stream"]
        if stream in self._last:
            sender, number = self._last.pop(stream)
        else:
            sender, number = f"{self._id}.{next(self._counts)}", 0
        self._last[stream] = (sender, number + 1)
        if len(self._last) > _MAX_REMEMBERED:
            self._last.popitem(last=False)
        return {**event, "sender": sender, "number": number + 1}

    def last(self, event: Event) -> Event | None:
        """The event with its stream's last number; None when that was forgotten."""
        if (last := self._last.get(event["stream"])) is None:
            return None
        return {**event, "sender": last[0], "number": last[1]}


class Sequence:
    """The receiver's side, for one stream: `on_gap` is called when a number never came."""

    def __init__(self, on_gap: Callable[[], None]) -> None:
        self._on_gap = on_gap
        self._expected: OrderedDict[str, int] = OrderedDict()
        #: Until when each may still come, by the loop's clock; in the order of that.
        self._missing: dict[tuple[str, int], float] = {}
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
        if expected < end:
            due = asyncio.get_running_loop().time() + _LATE
            for missing in range(expected, min(end, expected + _MAX_REMEMBERED)):
                self._missing[sender, missing] = due
        if arrived:
            self._missing.pop((sender, number), None)
        self._look_when_due()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look_when_due(self) -> None:
        if self._missing and self._timer is None:
            due = next(iter(self._missing.values()))
            self._timer = asyncio.get_running_loop().call_at(due, self._look)

    def _look(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        if any(due <= now for due in self._missing.values()):
            self._missing.clear()
            self._on_gap()
        self._look_when_due()
