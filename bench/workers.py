"""Processes of the rig itself: drivers and publishers, which take orders over a pipe."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import signal
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

import uvloop

from bench.machine import RigError

# `fork` would copy the parent's pipes into every child, so that none sees its own closed.
context = multiprocessing.get_context("spawn")

STOP_SECONDS = 5.0


class Handler(Protocol):
    """What runs in the process; made there, on its event loop."""

    async def handle(self, order: Any) -> Any: ...


@dataclass(frozen=True)
class _Failure:
    text: str


class Worker:
    """The parent's end of one process."""

    def __init__(self, name: str, make: Callable[..., Handler], *arguments: Any) -> None:
        self.name = name
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_run, args=(theirs, make, arguments), name=name, daemon=True
        )
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        pid = self._process.pid
        if pid is None:
            raise RigError(f"{self.name} has not been started")
        return pid

    def ask(self, order: object, *, within: float) -> Any:
        """Send an order and return its answer; raises as `answer` does."""
        self.send(order)
        return self.answer(within=within)

    def send(self, order: object) -> None:
        """Send an order; `answer` must follow."""
        self._pipe.send(order)

    def answer(self, *, within: float) -> Any:
        """The answer to the order that was sent.

        Raises:
            RigError: it failed, or did not come within so many seconds.
        """
        try:
            answer = self._pipe.recv() if self._pipe.poll(within) else _Failure("no answer")
        except EOFError:
            answer = _Failure("it ended")
        if isinstance(answer, _Failure):
            raise RigError(f"{self.name} (process {self.pid}) failed: {answer.text}")
        return answer

    def stop(self) -> None:
        """End the process; harmless if it ended."""
        self._pipe.close()  # it ends by itself at that
        self._process.join(STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(STOP_SECONDS)


def _run(pipe: Connection, make: Callable[..., Handler], arguments: tuple[Any, ...]) -> None:
    # Ctrl-C reaches the whole terminal; the parent ends us when it has read what it needs.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()  # a pause here would look like the server's; no run is long enough to matter
    uvloop.run(_serve(pipe, lambda: make(*arguments)))


async def _serve(pipe: Connection, make: Callable[[], Handler]) -> None:
    handle: Callable[[Any], Awaitable[Any]] | None = None
    while True:
        try:
            order = await asyncio.to_thread(pipe.recv)
        except EOFError:
            return
        try:
            handle = handle or make().handle
            answer = await handle(order)
        except Exception:  # whatever it is, the parent has to hear of it
            answer = _Failure(traceback.format_exc())
        try:
            pipe.send(answer)
        except BrokenPipeError:
            return
