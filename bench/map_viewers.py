"""What viewers of a map see: each keeps its own, as a browser does."""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from bench.drivers import Counters
from bench.positions import Position, Viewport
from bench.websocket import Reader

# Viewers of one driver that show the same get the same bytes; they need decoding only once.
_DECODED_AT_ONCE = 32


class Snapshot(msgspec.Struct, tag="snapshot"):
    server_time: datetime
    items: dict[str, Position]


class Changes(msgspec.Struct, tag="changes"):
    server_time: datetime
    items: dict[str, Position]
    removed: list[str] = []


class Fix(msgspec.Struct, tag="fix"):
    """The baseline's: one report."""

    id: str
    position: Position


class Received(msgspec.Struct):
    identifier: str
    message: Snapshot | Changes | Fix


_decoder = msgspec.json.Decoder(Received)


@dataclass
class Viewer:
    """One socket's map and what it took to keep it. Bytes are of messages, without framing."""

    viewport: Viewport | None = None
    known: dict[str, Position] = field(default_factory=dict)
    #: Of all frames but snapshots: when the server made them, and when they were read, seconds.
    made_at: list[float] = field(default_factory=list)
    read_at: list[float] = field(default_factory=list)
    snapshots: int = 0
    bytes: int = 0
    delivered: int = 0
    #: A key's version was older than, or the same as, the one before.
    went_back: int = 0

    def wrong(self, truth: Mapping[str, Position]) -> int:
        """Keys that are missing, that should not be there, or whose position is another."""
        view = self.viewport
        expected = {
            key: value for key, value in truth.items() if view is None or view.shows(value.lon)
        }
        both = expected.keys() & self.known.keys()
        different = sum(expected[key] != self.known[key] for key in both)
        return different + len(expected.keys() ^ self.known.keys())


@dataclass(frozen=True)
class Seen:
    """One driver's viewers since the beginning, and ages of positions since the last look.

    An age is from the moment a report was handed to the cable until a viewer read the frame with
    it, seconds: one for each version, key and viewer without a viewport to which it was sent.
    """

    viewers: list[Viewer]
    ages: array[float]


class MapTally:
    """Keeps every viewer's map."""

    def __init__(self, counters: Counters, index: int) -> None:
        self._counters, self._index = counters, index
        self._viewers: list[Viewer] = []
        self._ages = array("d")
        self._decoded: OrderedDict[bytes, Received] = OrderedDict()

    def take(self) -> Seen:
        ages, self._ages = self._ages, array("d")
        return Seen(self._viewers, ages)

    def reader(self) -> Reader:
        viewer = Viewer()
        self._viewers.append(viewer)

        def read(data: bytes, start: int, end: int, now: int) -> None:
            self._read(viewer, data[start:end], now)

        return read

    def _read(self, viewer: Viewer, data: bytes, now: int) -> None:
        received = self._decode(data)
        viewer.bytes += len(data)
        match received.message:
            case Snapshot(items=items):
                number = json.loads(received.identifier).get("viewport")
                viewer.viewport = None if number is None else Viewport(number)
                viewer.snapshots += 1
                for key in items.keys() & viewer.known.keys():
                    viewer.went_back += items[key].version < viewer.known[key].version
                viewer.known = dict(items)
            case Changes(server_time=made_at, items=items, removed=removed):
                viewer.made_at.append(made_at.timestamp())
                viewer.read_at.append(now / 1e9)
                for key in removed:
                    del viewer.known[key]
                self._take_items(viewer, items.items(), now)
            case Fix(id=key, position=value):
                viewer.read_at.append(now / 1e9)
                self._take_items(viewer, ((key, value),), now)

    def _take_items(self, viewer: Viewer, items: Iterable[tuple[str, Position]], now: int) -> None:
        known, ages = viewer.known, self._ages
        is_measured, before = viewer.viewport is None, viewer.delivered
        now_us = now / 1000
        for key, value in items:
            last = known.get(key)
            viewer.went_back += last is not None and value.version <= last.version
            known[key] = value
            viewer.delivered += 1
            if is_measured:
                ages.append((now_us - value.version) / 1e6)
        self._counters[self._index] += viewer.delivered - before

    def _decode(self, data: bytes) -> Received:
        received = self._decoded.get(data)
        if received is None:
            received = self._decoded[data] = _decoder.decode(data)
            if len(self._decoded) > _DECODED_AT_ONCE:
                self._decoded.popitem(last=False)
        return received


def most_within(seconds: float, times: list[float]) -> int:
    """The most of these ascending times that lie in any half-open span of so many seconds."""
    return max(
        (bisect_left(times, at + seconds) - index for index, at in enumerate(times)), default=0
    )
