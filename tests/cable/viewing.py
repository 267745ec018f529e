"""Viewers of a conflated stream, and a clock that moves only when it is told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cable.conf import CableSettings
from cable.conflation import Change, ConflatedStream, State, Stats
from cable.protocol import Frame, message_prefix

UNIX_TIME = 1_795_573_800.0
SERVER_TIME = "2026-11-25T02:30:00.000Z"
#: Between two flushes, seconds.
INTERVAL = 0.25


@dataclass
class Call:
    when: float
    callback: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """What the stream needs of an event loop."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self._calls: list[Call] = []

    def time(self) -> float:
        return self.seconds

    def call_at(self, when: float, callback: Callable[[], None], /) -> Call:
        assert when > self.seconds
        call = Call(when, callback)
        self._calls.append(call)
        return call

    @property
    def calls(self) -> list[Call]:
        self._calls = [call for call in self._calls if not call.cancelled]
        return self._calls

    def advance(self, seconds: float) -> None:
        end = self.seconds + seconds
        while due := [call for call in self.calls if call.when <= end]:
            call = min(due, key=lambda call: call.when)
            self._calls.remove(call)
            self.seconds = call.when
            call.callback()
        self.seconds = end


@dataclass(frozen=True)
class Below:
    """A filter; equal ones share frames."""

    limit: int

    def __call__(self, value: Any) -> bool:
        return bool(value["x"] < self.limit)


@dataclass(eq=False)
class FakeViewer:
    """Takes frames apart again: `items` is what a page would show."""

    clock: Clock
    prefix: str = message_prefix("a")
    behind: bool = False
    #: As for a socket that needs time for every frame.
    behind_after_frame: bool = False
    frames: list[Frame] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    items: dict[str, Any] = field(default_factory=dict)
    resyncs: int = 0

    def deliver(self, frame: Frame) -> None:
        assert not self.behind or not self.frames, "only its first snapshot does not wait"
        text = str(frame.event["text"])
        assert text.startswith(self.prefix)
        message = json.loads(text)["message"]
        assert message.pop("server_time") == SERVER_TIME
        self.frames.append(frame)
        self.messages.append(message)
        self.times.append(self.clock.time())
        if message["type"] == "snapshot":
            self.items = {}
        self.items |= message["items"]
        for key in message.get("removed", ()):
            del self.items[key]
        self.behind = self.behind_after_frame

    def is_behind(self) -> bool:
        return self.behind

    def resync(self) -> None:
        self.resyncs += 1

    def take(self) -> list[dict[str, Any]]:
        """The messages since the last call."""
        messages, self.messages = self.messages, []
        return messages


class Source:
    """The application's state; `load` can be made to fail, or to wait for `gate`."""

    def __init__(self) -> None:
        self.state: dict[str, State] = {}
        self.loads = 0
        #: What `load` returned.
        self.loaded: list[Mapping[str, State]] = []
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def load(self) -> Mapping[str, State]:
        self.loads += 1
        state, error = dict(self.state), self.error
        await self.gate.wait()
        if error is not None:
            raise error
        self.loaded.append(state)
        return state


class World:
    """A stream with its surroundings."""

    def __init__(self, **bounds: Any) -> None:
        self.clock = Clock()
        self.source = Source()
        self.stats = Stats()
        self.stream = ConflatedStream(
            "map",
            load=self.source.load,
            settings=CableSettings(**bounds),
            stats=self.stats,
            scheduler=self.clock,
            now=lambda: UNIX_TIME,
        )

    def viewer(self, identifier: str = "a") -> FakeViewer:
        return FakeViewer(self.clock, message_prefix(identifier))

    def change(self, **values: tuple[int, int | None]) -> None:
        """Each key's version and x; None removes it."""
        self.stream.apply([change(key, *value) for key, value in values.items()])

    def load(self, **values: tuple[int, int]) -> None:
        """What the application has."""
        self.source.state = {key: State(version, {"x": x}) for key, (version, x) in values.items()}


def change(key: str, version: int, x: int | None) -> Change:
    return Change(key, version, None if x is None else f'{{"x":{x}}}')


def snapshot(**items: int) -> dict[str, Any]:
    return {"type": "snapshot", "items": {key: {"x": x} for key, x in items.items()}}


def changes(*removed: str, **items: int) -> dict[str, Any]:
    message = {"type": "changes", "items": {key: {"x": x} for key, x in items.items()}}
    return message | ({"removed": list(removed)} if removed else {})


async def watched(world: World, *, only: Below | None = None) -> FakeViewer:
    """A viewer that has got its snapshot."""
    viewer = world.viewer()
    await world.stream.add(viewer, only)
    viewer.take()
    return viewer


async def let_run() -> None:
    """Tasks that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)
