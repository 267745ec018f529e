"""What viewers of a map see: each keeps its own, as a browser does."""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from bench.drivers import Counters
from bench.positions import Position, Viewport
from bench.websocket import Reader


class Shown(Protocol):
    """A technician on the map. `version` is when it was handed in: microseconds of its clock."""

    @property
    def lon(self) -> float: ...

    @property
    def version(self) -> int: ...


class Part(Protocol):
    """A part of the map from its west to its east."""

    def shows(self, lon: float) -> bool: ...


AnyShown = TypeVar("AnyShown", bound=Shown)

# Viewers of one driver that show the same get the same bytes; they need decoding only once.
_DECODED_AT_ONCE = 32


class Snapshot(msgspec.Struct, Generic[AnyShown], tag="snapshot"):
    server_time: datetime
    items: dict[str, AnyShown]


class Changes(msgspec.Struct, Generic[AnyShown], tag="changes"):
    server_time: datetime
    items: dict[str, AnyShown]
    removed: list[str] = []


class Fix(msgspec.Struct, Generic[AnyShown], tag="fix"):
    """The baseline's: one report."""

    id: str
    position: AnyShown


class Technicians(msgspec.Struct, tag="technicians"):
    """The product's: who is on the map."""


class Received(msgspec.Struct, Generic[AnyShown]):
    identifier: str
    message: Snapshot[AnyShown] | Changes[AnyShown] | Fix[AnyShown] | Technicians


@dataclass
class Viewer(Generic[AnyShown]):
    """One socket's map and what it took to keep it.

    Bytes are of messages but for snapshots, without framing.
    """

    viewport: Part | None = None
    known: dict[str, AnyShown] = field(default_factory=dict)
    #: Of all frames but snapshots: when the server made them, and when they were read, seconds.
    made_at: list[float] = field(default_factory=list)
    read_at: list[float] = field(default_factory=list)
    snapshots: int = 0
    bytes: int = 0
    delivered: int = 0
    #: A key's version was older than, or the same as, the one before.
    went_back: int = 0

    def wrong(self, truth: Mapping[str, AnyShown]) -> int:
        """Keys that are missing, that should not be there, or whose position is another."""
        view = self.viewport
        expected = {
            key: value for key, value in truth.items() if view is None or view.shows(value.lon)
        }
        both = expected.keys() & self.known.keys()
        different = sum(expected[key] != self.known[key] for key in both)
        return different + len(expected.keys() ^ self.known.keys())


@dataclass(frozen=True)
class Seen(Generic[AnyShown]):
    """One driver's viewers since the beginning, and ages of positions since the last look.

    An age is from the moment that its version tells until a viewer read the frame with it,
    seconds: one for each version, key and viewer without a viewport to which it was sent.
    """

    viewers: list[Viewer[AnyShown]]
    ages: array[float]


class Tally(Generic[AnyShown]):
    """Keeps every viewer's map.

    `decoder` is of what the server sends; `viewport` finds the part of the map in what a viewer
    subscribed with; versions are by a clock that is `clock_ns` ahead of the monotonic one.
    """

    def __init__(
        self,
        counters: Counters,
        index: int,
        decoder: msgspec.json.Decoder[Received[AnyShown]],
        viewport: Callable[[Mapping[str, Any]], Part | None],
        clock_ns: int,
    ) -> None:
        self._counters, self._index = counters, index
        self._decoder, self._viewport, self._clock_ns = decoder, viewport, clock_ns
        self._viewers: list[Viewer[AnyShown]] = []
        self._ages = array("d")
        self._decoded: OrderedDict[bytes, Received[AnyShown]] = OrderedDict()

    def take(self) -> Seen[AnyShown]:
        ages, self._ages = self._ages, array("d")
        return Seen(self._viewers, ages)

    def reader(self) -> Reader:
        viewer: Viewer[AnyShown] = Viewer()
        self._viewers.append(viewer)

        def read(data: bytes, start: int, end: int, now: int) -> None:
            self._read(viewer, data[start:end], now)

        return read

    def _read(self, viewer: Viewer[AnyShown], data: bytes, now: int) -> None:
        received = self._decode(data)
        match received.message:
            case Snapshot(items=items):
                viewer.viewport = self._viewport(json.loads(received.identifier))
                viewer.snapshots += 1
                for key in items.keys() & viewer.known.keys():
                    viewer.went_back += items[key].version < viewer.known[key].version
                viewer.known = dict(items)
            case Changes(server_time=made_at, items=items, removed=removed):
                viewer.bytes += len(data)
                viewer.made_at.append(made_at.timestamp())
                viewer.read_at.append(now / 1e9)
                for key in removed:
                    del viewer.known[key]
                self._take_items(viewer, items.items(), now)
            case Fix(id=key, position=value):
                viewer.bytes += len(data)
                viewer.read_at.append(now / 1e9)
                self._take_items(viewer, ((key, value),), now)

    def _take_items(
        self, viewer: Viewer[AnyShown], items: Iterable[tuple[str, AnyShown]], now: int
    ) -> None:
        known, ages = viewer.known, self._ages
        is_measured, before = viewer.viewport is None, viewer.delivered
        now_us = (now + self._clock_ns) / 1000
        for key, value in items:
            last = known.get(key)
            viewer.went_back += last is not None and value.version <= last.version
            known[key] = value
            viewer.delivered += 1
            if is_measured:
                ages.append((now_us - value.version) / 1e6)
        self._counters[self._index] += viewer.delivered - before

    def _decode(self, data: bytes) -> Received[AnyShown]:
        received = self._decoded.get(data)
        if received is None:
            received = self._decoded[data] = self._decoder.decode(data)
            if len(self._decoded) > _DECODED_AT_ONCE:
                self._decoded.popitem(last=False)
        return received


class MapTally(Tally[Position]):
    """Of the bench's own map."""

    def __init__(self, counters: Counters, index: int) -> None:
        decoder = msgspec.json.Decoder(Received[Position])
        super().__init__(counters, index, decoder, _viewport, clock_ns=0)


def _viewport(params: Mapping[str, Any]) -> Viewport | None:
    number = params.get("viewport")
    return None if number is None else Viewport(number)


def most_within(seconds: float, times: list[float]) -> int:
    """The most of these ascending times that lie in any half-open span of so many seconds."""
    return max(
        (bisect_left(times, at + seconds) - index for index, at in enumerate(times)), default=0
    )
