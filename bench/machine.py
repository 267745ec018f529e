"""The machine that a bench runs on: cores, open files, and what to say about it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# Beside its sockets a process has its libraries, logs, pipes and connections to Valkey open.
_OTHER_FILES = 256


class RigError(Exception):
    """The measurement cannot be made here. The text is meant for the person at the terminal."""


@dataclass(frozen=True)
class Cores:
    """Which cores the server under test runs on, and which all else does."""

    server: frozenset[int]
    rest: frozenset[int]

    @property
    def shared(self) -> bool:
        return self.server == self.rest


def find_cores() -> Cores:
    """The first core that we may use is the server's, the others are everybody else's.

    Raises:
        RigError: not Linux.
    """
    if not hasattr(os, "sched_getaffinity") or not Path("/proc/self/stat").exists():
        raise RigError("The benches need Linux: they read /proc and pin processes to cores")
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) == 1:
        return Cores(frozenset(allowed), frozenset(allowed))
    return Cores(frozenset(allowed[:1]), frozenset(allowed[1:]))


@contextmanager
def pinned_to(cores: frozenset[int]) -> Iterator[None]:
    """Run on these cores; processes that are started meanwhile stay on them."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def allow_files(sockets: int) -> None:
    """Raise this process' limit of open files, which processes started later inherit.

    Raises:
        RigError: the machine does not allow as many as that number of sockets needs.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = sockets + _OTHER_FILES
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise RigError(
            f"{sockets} sockets need {needed} open files in one process, and this machine allows "
            f"{hard} (ulimit -Hn). Raise that limit, or ask for fewer sockets"
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        limit = needed if hard == resource.RLIM_INFINITY else hard
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def describe(cores: Cores) -> str:
    """The machine and the versions, on one line."""
    packages = ("django", "channels", "channels-redis", "daphne", "uvicorn", "uvloop", "websockets")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    where = "one core for all" if cores.shared else f"1 for the server, {len(cores.rest)} else"
    used = len(cores.server | cores.rest)
    return (
        f"{used} cores of {_processor()} ({where}), {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, {versions}"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
