"""Processes of the rig: orders, answers, and what happens when one fails."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from bench.machine import RigError
from bench.workers import Worker
from sera.services.process_tree import is_alive


class Echo:
    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    async def handle(self, order: Any) -> Any:
        if order == "fail":
            raise ValueError("no such order")
        if order == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        return f"{self._prefix} {order}"


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker("echo", Echo, "heard")
    yield made
    made.stop()


def test_it_answers_orders_in_turn_and_goes_on_after_a_failure(worker: Worker) -> None:
    assert worker.ask("one", within=20) == "heard one"
    with pytest.raises(RigError, match="ValueError: no such order"):
        worker.ask("fail", within=20)
    assert worker.ask("two", within=20) == "heard two"


def test_one_that_dies_is_told_and_not_waited_for(worker: Worker) -> None:
    with pytest.raises(RigError, match=r"echo \(process \d+\) failed: it ended"):
        worker.ask("die", within=20)


def test_it_survives_ctrl_c_and_ends_when_it_is_stopped(worker: Worker) -> None:
    assert worker.ask("one", within=20) == "heard one"
    os.kill(worker.pid, signal.SIGINT)
    assert worker.ask("two", within=20) == "heard two"
    worker.stop()
    assert not is_alive(worker.pid)
