"""Any sequence of calls, against a model that forgets nothing and works it all out anew."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any, NamedTuple, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from cable.store import Entry, Head, HistoryOptions, Log, scripts
from tests.cable.stores import MemoryWorld, ValkeyWorld, World, shifted_scripts

LIMIT, AGE, META = 3, 300, 1000
T = TypeVar("T")


class Appended(NamedTuple):
    entry: Entry
    message_id: str
    at: int


class Model:
    """Times are units, as in AGE and META, except those that the store told."""

    def __init__(self) -> None:
        self.now = 0
        self.forget()

    def forget(self) -> None:
        self.epoch = ""
        self.used_at = self.now
        self.base = 0
        self.all: list[Appended] = []

    def use(self) -> None:
        if self.now - self.used_at >= META:
            self.forget()
        self.used_at = self.now

    def kept(self) -> list[Appended]:
        return [one for one in self.all[-LIMIT:] if self.now - one.at < AGE]

    def log(self, after: int) -> Log:
        kept = {one.entry.offset for one in self.kept()}
        lost = [one.entry for one in self.all if one.entry.offset not in kept]
        return Log(
            self.head(),
            lost[-1].time_ms if lost else self.base,
            [
                one.entry
                for one in self.all
                if one.entry.offset in kept and one.entry.offset > after
            ],
        )

    def head(self) -> Head:
        if not self.all:
            return Head(self.epoch, 0, 0)
        return Head(self.epoch, len(self.all), self.all[-1].entry.time_ms)


class Machine(RuleBasedStateMachine):
    """`unit` ms; steps of time that never end close to a limit where a real clock runs too."""

    unit: int
    steps: st.SearchStrategy[int]
    runner: asyncio.Runner

    def __init__(self) -> None:
        super().__init__()
        self.world = self.make_world()
        self.model = Model()
        self.epochs: set[str] = set()
        second = self.unit / 1000
        self.options = HistoryOptions(limit=LIMIT, seconds=AGE * second, meta_seconds=META * second)

    def make_world(self) -> World:
        raise NotImplementedError

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(call)

    def teardown(self) -> None:
        self.run(self.world.close())

    def learn_epoch(self, epoch: str) -> None:
        if not self.model.epoch:
            assert epoch not in self.epochs
            self.epochs.add(epoch)
            self.model.epoch = epoch

    @rule(data=st.data())
    def wait(self, data: st.DataObject) -> None:
        step = data.draw(self.steps)
        self.model.now += step
        self.run(self.world.advance(step * self.unit))

    @rule(message_id=st.sampled_from("abcdef"), again=st.booleans())
    def append(self, message_id: str, again: bool) -> None:
        self.model.use()
        message = f"message {len(self.model.all)}"
        before = self.run(self.world.now())
        head = self.run(
            self.world.store.append(
                "s", message, message_id=message_id, options=self.options, again=again
            )
        )
        after = self.run(self.world.now())
        self.learn_epoch(head.epoch)
        known = [one for one in self.model.kept() if one.message_id == message_id]
        if again and known:
            entry = known[-1].entry
            assert head == Head(self.model.epoch, entry.offset, entry.time_ms)
            return
        assert head.epoch == self.model.epoch
        assert head.offset == len(self.model.all) + 1
        assert before <= head.time_ms <= after
        entry = Entry(head.offset, head.time_ms, message)
        self.model.all.append(Appended(entry, message_id, self.model.now))

    @rule(after=st.integers(-1, 12))
    def read(self, after: int) -> None:
        self.model.use()
        log = self.run(self.world.store.read("s", self.options, after=after))
        self.learn_epoch(log.head.epoch)
        assert log == self.model.log(after)

    @rule()
    def head(self) -> None:
        self.model.use()
        head = self.run(self.world.store.head("s", self.options))
        self.learn_epoch(head.epoch)
        assert head == self.model.head()

    @rule()
    def heads(self) -> None:
        known = bool(self.model.epoch) and self.model.now - self.model.used_at < META
        found = self.run(self.world.store.heads(["other", "s"]))
        if known:
            self.model.use()
        assert found == [None, self.model.head() if known else None]

    @rule()
    def restart(self) -> None:
        before = self.run(self.world.now())
        head = self.run(self.world.store.restart("s", self.options))
        after = self.run(self.world.now())
        self.model.forget()
        self.learn_epoch(head.epoch)
        assert head == self.model.head()
        self.model.base = self.run(self.world.store.read("s", self.options)).lost_ms
        assert before <= self.model.base <= after


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def test_memory(runner: asyncio.Runner) -> None:
    class Memory(Machine):
        unit = 1
        # Also to the millisecond.
        steps = st.one_of(
            st.sampled_from([1, AGE - 1, AGE, AGE + 1, META - 1, META]), st.integers(0, META)
        )

        def make_world(self) -> World:
            return MemoryWorld()

    Memory.runner = runner
    run_state_machine_as_test(Memory, settings=_settings(300))


def test_valkey(runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    class Valkey(Machine):
        unit = 1000
        # No sum comes near to AGE or META from below, so what the test itself takes is no matter.
        steps = st.integers(0, 15).map(lambda count: count * 70)

        def make_world(self) -> World:
            return ValkeyWorld()

    for name, script in shifted_scripts().items():
        monkeypatch.setattr(scripts, name, script)
    Valkey.runner = runner
    run_state_machine_as_test(Valkey, settings=_settings(40))


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
