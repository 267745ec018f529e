"""The processes that `./dev up` watches: started, restarted within bounds, stopped in order."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sera.cli import interrupts
from sera.cli.console import CommandError, describe_exit, end_group, tail, warn
from sera.cli.paths import ROOT
from sera.cli.run_record import Process
from sera.services.process_tree import start_mark

# A process that dies once (killed, out of memory) comes back; one that dies at every start
# would only repeat itself, so that is reported instead.
RESTARTS = 3
RESTART_WINDOW_SECONDS = 60.0

TAIL_LINES = 15
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Program:
    """What to run. Without an `essential` program `up` makes no sense and ends."""

    name: str
    command: tuple[str, ...]
    stop_seconds: float
    essential: bool = True


@dataclass
class Child:
    """A running program."""

    program: Program
    process: subprocess.Popen[bytes]
    log: Path
    restarts: list[float] = field(default_factory=list)

    def as_record(self) -> Process:
        """Return what tells this process from any other."""
        pid = self.process.pid
        return Process(name=self.program.name, pid=pid, mark=start_mark(pid))


class Supervisor:
    """Runs programs with their output in `<logs>/<name>.log`.

    `record` is called with all processes after each change, so that a later `./dev` can end
    them if we are killed.
    """

    def __init__(
        self, *, env: Mapping[str, str], logs: Path, record: Callable[[Sequence[Process]], None]
    ) -> None:
        self._env = dict(env)
        self._logs = logs
        self._write_record = record
        self.children: list[Child] = []

    def start(self, program: Program) -> Child:
        """Start a program."""
        log = self._logs / f"{program.name}.log"
        if log.exists():
            log.replace(log.with_name(f"{log.name}.1"))
        child = Child(program=program, process=self._spawn(program, log), log=log)
        self.children.append(child)
        self._record()
        return child

    def check(self) -> None:
        """Restart what ended.

        Raises:
            CommandError: an essential program ended too often; the text has its last lines.
        """
        now = time.monotonic()
        for child in list(self.children):
            status = child.process.poll()
            if status is None:
                continue
            name = child.program.name
            child.restarts = [t for t in child.restarts if now - t < RESTART_WINDOW_SECONDS]
            if len(child.restarts) < RESTARTS:
                warn(f"{name}: {describe_exit(status)}; starting it again (log: {child.log})")
                child.restarts.append(now)
                child.process = self._spawn(child.program, child.log)
                self._record()
                continue
            text = (
                f"{name} ended {RESTARTS + 1} times within {RESTART_WINDOW_SECONDS:.0f} s, last "
                f"with {describe_exit(status)}. Its last lines:\n{tail(child.log, TAIL_LINES)}\n"
                f"All of it is in {child.log}"
            )
            if child.program.essential:
                raise CommandError(text)
            warn(text)
            self.children.remove(child)

    def stop_all(self) -> None:
        """Stop everything, the last started first; a second Ctrl-C ends the waiting."""
        asked = interrupts.count()
        for child in reversed(self.children):
            if child.process.poll() is None:
                child.process.terminate()
                deadline = time.monotonic() + child.program.stop_seconds
                while child.process.poll() is None and time.monotonic() < deadline:
                    if interrupts.count() > max(asked, 1):
                        break
                    time.sleep(_POLL_SECONDS)
                if child.process.poll() is None:
                    warn(f"{child.program.name} did not stop in time and is killed")
            end_group(child.process, 0)
        self.children.clear()
        self._record()

    def _record(self) -> None:
        self._write_record([child.as_record() for child in self.children])

    def _spawn(self, program: Program, log: Path) -> subprocess.Popen[bytes]:
        log.parent.mkdir(parents=True, exist_ok=True)
        # Straight into the file: what a process says last is there even if we are gone.
        with log.open("ab") as output:
            return subprocess.Popen(
                program.command,
                cwd=ROOT,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is ours to handle, in order
            )


def run_foreground(command: list[str], *, env: Mapping[str, str], cwd: Path = ROOT) -> int:
    """Give the terminal to a command until it ends; return its exit status as a shell would.

    Ctrl-C reaches it directly. SIGTERM and a closed terminal, which reach only us, are passed on.
    """
    with interrupts.forwarded() as forward_to:
        process = subprocess.Popen(command, cwd=cwd, env=dict(env))
        forward_to(process)
        status = process.wait()
    return status if status >= 0 else 128 - status
