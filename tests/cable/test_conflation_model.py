"""Conflated streams, whatever happens in whatever order: against a model of each viewer."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from cable.conflation import Change, State
from cable.protocol import Frame, message_prefix
from tests.cable.viewing import Below, Clock, FakeViewer, World, let_run

KEYS = ("a", "b", "c", "d")
#: Frames a second.
RATE = 4
#: One step of time; a flush is due every four of them.
STEP = 1 / 16
FILTERS = [None, Below(3), Below(6)]


class Message(NamedTuple):
    key: str
    version: int
    x: int | None


class Watcher(FakeViewer):
    """Checks each frame when it comes, and knows what it must have been told."""

    def __init__(self, clock: Clock, prefix: str, only: Below | None) -> None:
        super().__init__(clock, prefix)
        self.only = only
        self.panned = False
        self.newest: dict[str, int] = {}
        #: Keys in frames of changes.
        self.told = 0

    def deliver(self, frame: Frame) -> None:
        before = dict(self.items)
        super().deliver(frame)
        message = self.messages[-1]
        for key, value in message["items"].items():
            assert self.only is None or self.only(value)
            if key in before and message["type"] == "changes":
                assert value["v"] > before[key]["v"], "a version went back, or came twice"
            self.newest[key] = max(self.newest.get(key, 0), value["v"])
            assert value["v"] == self.newest[key], "a version went back"
        assert not message["items"].keys() & set(message.get("removed", ()))
        if message["type"] == "changes":
            self.told += len(message["items"]) + len(message.get("removed", ()))
            assert message["items"] or message.get("removed")

    def check_rate(self) -> None:
        times = self.times[1:]  # the first snapshot is apart
        # A new view may come in advance.
        most = RATE + 1 if self.panned else RATE
        for first, last in zip(times, times[most:], strict=False):
            assert last - first >= 1


def failed(task: asyncio.Task[None]) -> bool:
    """Whether the load failed; any other error is one of ours."""
    try:
        task.result()
    except OSError:
        return True
    return False


class Machine(RuleBasedStateMachine):
    """The application's state, messages about it that come late or never, and viewers."""

    runner: asyncio.Runner
    max_payload_bytes = 960 * 1024
    padding = ""

    def __init__(self) -> None:
        super().__init__()
        self.world = self.runner.run(self.make_world())
        self.version = 0
        self.held: list[Message] = []
        self.incomplete = False
        self.viewers: list[Watcher] = []
        self.gone: list[Watcher] = []
        self.adding: dict[asyncio.Task[None], Watcher] = {}
        self.reloading: list[asyncio.Task[None]] = []
        #: Newest version of each key that the process has seen.
        self.seen: dict[str, int] = {}
        self.loads = 0
        #: Newer changes, for each viewer that was there.
        self.owed = 0

    async def make_world(self) -> World:
        return World(max_payload_bytes=self.max_payload_bytes)

    def let_run(self) -> None:
        self.runner.run(let_run())
        for loaded in self.world.source.loaded[self.loads :]:
            for key, state in loaded.items():
                self.seen[key] = max(self.seen.get(key, 0), state.version)
        self.loads = len(self.world.source.loaded)
        for task in [task for task in self.adding if task.done()]:
            viewer = self.adding.pop(task)
            if failed(task):
                assert viewer.frames == []
            else:
                self.viewers.append(viewer)
        for task in [task for task in self.reloading if task.done()]:
            self.reloading.remove(task)
            failed(task)
        for viewer in [viewer for viewer in self.viewers if viewer.resyncs]:
            self.leave(viewer)

    def leave(self, viewer: Watcher) -> None:
        self.viewers.remove(viewer)
        self.gone.append(viewer)
        self.world.stream.remove(viewer)

    def value(self, x: int, version: int) -> dict[str, Any]:
        return {"x": x, "v": version, "padding": self.padding}

    def publish(self, messages: list[Message]) -> None:
        for message in messages:
            if message.version > self.seen.get(message.key, 0):
                self.seen[message.key] = message.version
                self.owed += self.world.stream.viewers
        self.world.stream.apply(
            [
                Change(key, version, None if x is None else json.dumps(self.value(x, version)))
                for key, version, x in messages
            ]
        )

    def settle(self) -> None:
        """Everything arrives, everyone is free, and time passes."""
        self.world.source.error = None
        self.world.source.gate.set()
        self.let_run()
        self.publish(self.held)
        self.held = []
        if self.incomplete:
            self.reload()
        for viewer in self.viewers:
            viewer.behind = viewer.behind_after_frame = False
        self.world.clock.advance(5)

    @rule(
        keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=4),
        x=st.none() | st.integers(0, 9),
        fate=st.sampled_from(["comes", "comes", "comes", "is late", "is lost"]),
    )
    def change(self, keys: list[str], x: int | None, fate: str) -> None:
        messages = []
        for key in keys:
            self.version += 1
            messages.append(Message(key, self.version, x))
            if x is None:
                self.world.source.state.pop(key, None)
            else:
                state = State(self.version, self.value(x, self.version))
                self.world.source.state[key] = state
        if fate == "comes":
            self.publish(messages)
        elif fate == "is late":
            self.held += messages
        else:
            # What is on its way is lost together, so that a reload is not older than it.
            self.held.clear()
            self.incomplete = True

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def late_message_comes(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(0, len(self.held) - 1))
        message = self.held[number] if data.draw(st.booleans()) else self.held.pop(number)
        self.publish([message])

    @rule(steps=st.integers(1, 10))
    def wait(self, steps: int) -> None:
        self.world.clock.advance(steps * STEP)

    @rule(only=st.sampled_from(FILTERS), identifier=st.sampled_from("ab"), sluggish=st.booleans())
    def add(self, only: Below | None, identifier: str, *, sluggish: bool) -> None:
        viewer = Watcher(self.world.clock, message_prefix(identifier), only)
        viewer.behind_after_frame = sluggish
        task = self.runner.get_loop().create_task(self.world.stream.add(viewer, only))
        self.adding[task] = viewer
        self.let_run()

    @precondition(lambda self: self.viewers)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        self.leave(data.draw(st.sampled_from(self.viewers)))

    @precondition(lambda self: self.viewers)
    @rule(data=st.data(), only=st.sampled_from(FILTERS))
    def pan(self, data: st.DataObject, only: Below | None) -> None:
        viewer = data.draw(st.sampled_from(self.viewers))
        viewer.only, viewer.panned = only, True
        self.world.stream.show_only(viewer, only)

    @precondition(lambda self: self.viewers)
    @rule(data=st.data(), behind=st.booleans())
    def socket(self, data: st.DataObject, *, behind: bool) -> None:
        data.draw(st.sampled_from(self.viewers)).behind = behind

    @rule()
    def reload(self) -> None:
        self.incomplete = False
        self.reloading.append(self.runner.get_loop().create_task(self.world.stream.reload()))
        self.let_run()

    @rule(is_open=st.booleans(), fails=st.booleans())
    def database(self, *, is_open: bool, fails: bool) -> None:
        source = self.world.source
        source.error = OSError("the database is down") if fails else None
        if is_open:
            source.gate.set()
        else:
            source.gate.clear()
        self.let_run()

    @rule()
    def compare(self) -> None:
        self.settle()
        truth = {key: state.value for key, state in self.world.source.state.items()}
        for viewer in self.viewers:
            only = viewer.only or (lambda value: True)
            assert viewer.items == {key: value for key, value in truth.items() if only(value)}
        assert self.world.clock.calls == [], "an idle stream has no timer"
        stats = self.world.stats
        accounted = stats.delivered + stats.conflated + stats.filtered + stats.left
        assert accounted == self.owed
        everyone = [*self.viewers, *self.gone]
        assert stats.frames == sum(len(viewer.frames) for viewer in everyone)
        self.check_delivered(sum(viewer.told for viewer in everyone))

    def check_delivered(self, told: int) -> None:
        assert self.world.stats.delivered == told

    @invariant()
    def frames_are_few(self) -> None:
        for viewer in self.viewers:
            viewer.check_rate()
        assert self.world.stream.viewers == len(self.viewers)

    def teardown(self) -> None:
        self.compare()
        self.world.stream.close()
        self.let_run()


class MachineOfSmallFrames(Machine):
    """No more than two keys fit a frame."""

    max_payload_bytes = 200
    padding = "." * 20

    def check_delivered(self, told: int) -> None:
        for viewer in [*self.viewers, *self.gone]:
            assert max((len(message["items"]) for message in viewer.messages), default=0) <= 2
        # Further frames of a snapshot look like changes.
        assert self.world.stats.delivered <= told


@pytest.mark.parametrize("machine", [Machine, MachineOfSmallFrames])
def test_any_sequence(machine: type[Machine]) -> None:
    with asyncio.Runner() as runner:
        parts: dict[str, Any] = {"runner": runner}
        run_state_machine_as_test(
            type(machine.__name__, (machine,), parts),
            settings=settings(max_examples=200, stateful_step_count=40, deadline=None),
        )
