"""What `./dev up` leaves in `.data/run.json` for other commands, and for the one after a crash."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sera.cli.paths import DATA
from sera.services.process_tree import start_mark

RECORD = DATA / "run.json"
# Held by `up` as long as it lives, so that the record is known to be current or a leftover.
LOCK = DATA / "run.lock"

# What the processes of a killed run get to end by themselves.
_TERM_SECONDS = 10.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Process:
    """A process that was started: `mark` tells it from a later one with the same id."""

    name: str
    pid: int
    mark: str | None

    def is_alive(self) -> bool:
        """Whether that very process still runs."""
        return self.mark is not None and start_mark(self.pid) == self.mark


@dataclass(frozen=True)
class Run:
    """One `./dev up`."""

    pid: int
    address: str
    processes: tuple[Process, ...] = ()


def write(run: Run, path: Path = RECORD) -> None:
    """Replace the record in one move."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(json.dumps(asdict(run), indent=1), encoding="utf-8")
    fresh.replace(path)


def read(path: Path = RECORD) -> Run | None:
    """Return the record; None if there is none or it cannot be read."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        processes = tuple(Process(**each) for each in data["processes"])
        return Run(pid=int(data["pid"]), address=str(data["address"]), processes=processes)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def clear_leftovers() -> list[str]:
    """End what a killed `up` left running and forget it; return the names of what was ended.

    The caller holds LOCK, so no living `up` owns the record.
    """
    run = read()
    ended = end_leftovers(run.processes) if run else []
    RECORD.unlink(missing_ok=True)
    return ended


def end_leftovers(processes: Sequence[Process]) -> list[str]:
    """End the processes of a run that was killed, with their children; return their names."""
    left = [each for each in processes if each.is_alive()]
    _signal_groups(left, signal.SIGTERM)
    deadline = time.monotonic() + _TERM_SECONDS
    while any(each.is_alive() for each in left) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    _signal_groups(left, signal.SIGKILL)
    return [each.name for each in left]


def _signal_groups(processes: Sequence[Process], signum: signal.Signals) -> None:
    # Each leads its own session, so its group is itself and all its children.
    for process in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signum)
