"""The rig: a Valkey of its own, servers on one core, all else on the others, an end to it all."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from types import FrameType
from typing import Protocol

from bench.accounting import Meter
from bench.drivers import Drivers, Tally
from bench.machine import allow_files, find_cores, pinned_to
from bench.servers import PORT, ROOT, ServerProcess, environment
from bench.stacks import Stack
from bench.workers import Handler, Worker
from sera.services.postgres import PostgresServer
from sera.services.process_tree import is_alive, start_mark
from sera.services.valkey import ValkeyServer

_RUNS = ROOT / ".data" / "bench"


class WithProcesses(Protocol):
    """Drivers of any kind."""

    @property
    def pids(self) -> list[int]: ...


class Rig:
    """Starts what a bench needs; whatever it started is gone when its block is left.

    Use as a context manager. Raises `RigError` when this machine cannot take that many sockets.
    """

    def __init__(self, *, sockets: int, database: bool = False) -> None:
        allow_files(sockets)
        self.cores = find_cores()
        self.folder = _RUNS / f"run-{os.getpid()}"
        self._stack = ExitStack()
        self._servers = 0
        self.valkey = ValkeyServer(self.folder / "valkey", 0, durable=False)
        #: What it has committed is on the disk.
        self.postgres = PostgresServer(self.folder / "postgres", 0) if database else None

    def __enter__(self) -> Rig:
        with ExitStack() as stack:
            stack.enter_context(_ends_on_signals())
            _end_leftovers()
            self.folder.mkdir(parents=True)
            stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            # Inherited by all that is started from here on.
            stack.enter_context(pinned_to(self.cores.rest))
            stack.callback(self.valkey.stop)
            self.valkey.start()
            if self.postgres is not None:
                stack.callback(self.postgres.stop)
                self.postgres.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        # A second Ctrl-C must not leave processes behind; all waits of the end are bounded.
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        self._stack.close()

    @contextlib.contextmanager
    def server(self, stack: Stack) -> Iterator[ServerProcess]:
        """A fresh server of this stack, on its own core."""
        command = (*stack.command, "--port", PORT, stack.application)
        with self.serve(stack.name, command, self.environment(stack)) as server:
            yield server

    @contextlib.contextmanager
    def serve(
        self,
        title: str,
        command: Sequence[str],
        variables: Mapping[str, str],
        *,
        logs_requests: bool = False,
    ) -> Iterator[ServerProcess]:
        """A server by its command, with `servers.PORT` in it, on its own core.

        What it logged is shown at its end, unless that is what it does all the time.
        """
        self._servers += 1
        name = f"server-{self._servers}"
        log = self.folder / f"{name}.log"
        server = ServerProcess(command, variables, cores=self.cores.server, log=log)
        with self.ended(server.kill):
            (self.folder / f"{name}.pid").write_text(f"{server.pid} {start_mark(server.pid)}")
            yield server
            server.check()
        if not logs_requests and (said := server.said()):
            print(f"  {title} logged:\n{said}", file=sys.stderr)

    @contextlib.contextmanager
    def drivers(self, count: int, tally: Callable[..., Tally]) -> Iterator[Drivers]:
        drivers = Drivers(count, tally)
        with self.ended(drivers.stop):
            yield drivers
            drivers.close_all()

    @contextlib.contextmanager
    def worker(
        self, name: str, make: Callable[..., Handler], *arguments: object
    ) -> Iterator[Worker]:
        worker = Worker(name, make, *arguments)
        with self.ended(worker.stop):
            yield worker

    def environment(self, stack: Stack) -> dict[str, str]:
        """What a publisher for this stack needs to have in its environment."""
        return environment(stack, self.valkey.url)

    def meter(
        self,
        server: ServerProcess,
        drivers: WithProcesses,
        publisher: Worker | None = None,
    ) -> Meter:
        valkey = self.valkey.pid
        if valkey is None:
            raise RuntimeError("Valkey is not running")
        return Meter(
            server=server.pid,
            valkey=valkey,
            drivers=drivers.pids,
            publisher=None if publisher is None else publisher.pid,
            database=None if self.postgres is None else self.postgres.pid,
            server_cores=self.cores.server,
            other_cores=self.cores.rest,
        )

    @contextlib.contextmanager
    def ended(self, end: Callable[[], None]) -> Iterator[None]:
        """Calls `end` when the block is left, at the latest with the rig."""
        with ExitStack() as stack:
            stack.callback(end)
            yield


@contextlib.contextmanager
def _ends_on_signals() -> Iterator[None]:
    """SIGTERM and a closed terminal end the bench as Ctrl-C does: through every `finally`."""

    def leave(signum: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + signum)

    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {each: signal.signal(each, leave) for each in kinds}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _end_leftovers() -> None:
    """Stop the servers of runs that were killed."""
    for folder in _RUNS.glob("run-*"):
        if is_alive(int(folder.name.removeprefix("run-"))):
            continue
        for file in folder.glob("server-*.pid"):
            pid, mark = file.read_text().split()
            if start_mark(int(pid)) == mark:  # and not a later process with the same id
                os.killpg(int(pid), signal.SIGKILL)
        ValkeyServer(folder / "valkey", 0, durable=False).stop()
        PostgresServer(folder / "postgres", 0).stop()
        shutil.rmtree(folder, ignore_errors=True)
