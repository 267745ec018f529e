"""One socket's commands: in order, but none waits long for another subscription's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from cable.command_queue import CommandQueue
from cable.conf import CableSettings
from tests.cable.polling import until

SETTINGS = CableSettings(
    command_patience=0.02, leftover_timeout=0.1, teardown_timeout=0.3, max_commands_at_once=2
)


class World:
    """Jobs that end when their gate opens."""

    def __init__(self, settings: CableSettings = SETTINGS) -> None:
        self.log: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.errors = 0
        self.queue = CommandQueue(settings, on_error=self._on_error)
        self.queue.start(last=self.job("last", wait=False))

    def _on_error(self) -> None:
        self.errors += 1

    def job(self, name: str, *, wait: bool = True) -> Callable[[], Awaitable[None]]:
        gate = self.gates[name] = asyncio.Event()

        async def job() -> None:
            self.log.append(name)
            try:
                if wait:
                    await gate.wait()
            except asyncio.CancelledError:
                self.log.append(f"{name} cancelled")
                raise

        return job

    def put(self, name: str, key: str | None, *, wait: bool = True) -> None:
        self.queue.put(self.job(name, wait=wait), key=key)


async def test_long_job_is_set_aside_for_others_but_not_for_its_own() -> None:
    world = World()
    world.put("a1", "a")
    world.put("a2", "a", wait=False)
    world.put("b1", "b", wait=False)
    await until(lambda: world.log == ["a1", "b1"])
    await until(lambda: world.queue.pending == 2)
    world.gates["a1"].set()
    await until(lambda: world.queue.is_idle)
    assert world.log == ["a1", "b1", "a2"]
    assert await world.queue.finish()
    assert world.log[-1] == "last"


async def test_short_jobs_run_one_after_the_other() -> None:
    world = World()
    running = most = 0

    async def job() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    for number in range(20):
        world.queue.put(job, key=str(number))
    await until(lambda: world.queue.is_idle)
    assert most == 1


async def test_so_many_at_once_and_no_more() -> None:
    world = World()
    for name in "abc":
        world.put(name, name)
    await until(lambda: world.log == ["a", "b"])
    await asyncio.sleep(3 * SETTINGS.command_patience)
    assert world.log == ["a", "b"]
    world.gates["a"].set()
    await until(lambda: world.log == ["a", "b", "c"])


async def test_job_without_a_key_is_alone() -> None:
    world = World()
    world.put("all", None)
    world.put("a", "a")
    await asyncio.sleep(3 * SETTINGS.command_patience)
    assert world.log == ["all"]
    world.gates["all"].set()
    await until(lambda: world.log == ["all", "a"])
    world.put("all again", None)
    world.put("b", "b", wait=False)
    await asyncio.sleep(3 * SETTINGS.command_patience)
    assert world.log == ["all", "a"]
    for gate in world.gates.values():
        gate.set()
    await until(lambda: world.log == ["all", "a", "all again", "b"])


@pytest.mark.parametrize("keys", ["aaa", "abc"])
async def test_last_runs_whatever_the_jobs_before_it_do(keys: str) -> None:
    world = World()
    for number, key in enumerate(keys):
        world.put(f"{key}{number}", key)
    assert not await world.queue.finish()
    assert world.log[-1] == "last"
    began = [line for line in world.log[:-1] if "cancelled" not in line]
    assert {f"{line} cancelled" for line in began} == {
        line for line in world.log if "cancelled" in line
    }
    assert world.queue.pending == 0


async def test_job_that_fails_is_told_and_the_next_runs() -> None:
    world = World()

    async def fails() -> None:
        raise LookupError("a bug")

    world.queue.put(fails, key="a")
    world.put("a", "a", wait=False)
    await until(lambda: world.log == ["a"])
    assert world.errors == 1


async def test_end_is_not_missed_when_a_job_ends_as_it_is_set_aside() -> None:
    for _ in range(20):
        world = World(CableSettings(command_patience=0.02, leftover_timeout=30.0))

        async def job() -> None:
            await asyncio.sleep(SETTINGS.command_patience - 0.0005)

        world.queue.put(job, key="a")
        await asyncio.sleep(0.001)
        finishing = asyncio.create_task(world.queue.finish())
        await asyncio.sleep(0.002)
        time.sleep(SETTINGS.command_patience)  # the loop is busy over both moments
        async with asyncio.timeout(10):
            assert await finishing


async def test_however_many_wait_all_begin_in_time() -> None:
    settings = CableSettings(
        command_patience=1.0, commands_begin_within=0.5, max_commands_at_once=1000
    )
    world = World(settings)
    for number in range(40):
        world.put(str(number), str(number))
    await until(lambda: len(world.log) == 40)  # not after 40 times the patience
    assert world.queue.pending == 40


async def test_job_that_resists_keeps_the_last_from_nothing() -> None:
    world = World()
    let_go = asyncio.Event()

    async def resists() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await let_go.wait()

    world.queue.put(resists, key="a")
    await asyncio.sleep(0)
    assert not await world.queue.finish()
    assert world.log == ["last"]
    let_go.set()
