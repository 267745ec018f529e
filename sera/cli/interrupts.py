"""Ctrl-C, SIGTERM and a closed terminal, as a flag that long work looks at.

Nothing is raised inside a signal handler, so a process that was just started is never lost
between its start and the note that it must be stopped.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_received: list[int] = []


class Interrupted(Exception):
    """Somebody asked us to stop."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.exit_status = 128 + signum


@contextmanager
def deferred() -> Iterator[None]:
    """Collect stop signals instead of dying from them."""
    previous = {each: signal.signal(each, _note) for each in _SIGNALS}
    try:
        yield
    finally:
        _received.clear()
        for each, handler in previous.items():
            signal.signal(each, handler)


@contextmanager
def forwarded() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Pass SIGTERM and SIGHUP on to the process that is named by calling what this gives.

    SIGINT reaches it from the terminal itself. What came before the naming is not lost.
    """
    waiting: list[int] = []
    named: list[subprocess.Popen[bytes]] = []

    def forward(signum: int, _frame: FrameType | None) -> None:
        _received.append(signum)
        if signum != signal.SIGINT:
            waiting.append(signum)
            deliver()

    def deliver() -> None:
        while named and waiting:
            named[0].send_signal(waiting.pop())

    def name(process: subprocess.Popen[bytes]) -> None:
        named.append(process)
        deliver()

    previous = {each: signal.signal(each, forward) for each in _SIGNALS}
    try:
        yield name
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)


@contextmanager
def immediate() -> Iterator[None]:
    """Raise Interrupted at once: for waiting on a person, where nothing can be lost."""
    previous = {each: signal.signal(each, _raise) for each in _SIGNALS}
    try:
        yield
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)


def check() -> None:
    """Raise Interrupted if a stop signal came."""
    if _received:
        raise Interrupted(_received[0])


def count() -> int:
    """How many stop signals came: two mean that the person does not want to wait."""
    return len(_received)


def _raise(signum: int, _frame: FrameType | None) -> None:
    raise Interrupted(signum)


def _note(signum: int, _frame: FrameType | None) -> None:
    _received.append(signum)
