"""File locks between several `./dev` at once. The operating system frees them, however we end."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sera.cli import interrupts
from sera.cli.console import CommandError, say

# Longer than any installation should take on a slow line.
WAIT_SECONDS = 900.0
_POLL_SECONDS = 0.1


class Busy(Exception):
    """Another process holds the lock."""


@contextmanager
def exclusive(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock alone.

    Raises:
        Busy: somebody has it and `wait` is False.
        CommandError: they still had it after WAIT_SECONDS.
    """
    descriptor = open_lock(path)
    try:
        if not try_lock(descriptor, fcntl.LOCK_EX):
            if not wait:
                raise Busy
            say("Waiting for another ./dev of this clone …")
            deadline = time.monotonic() + WAIT_SECONDS
            while not try_lock(descriptor, fcntl.LOCK_EX):
                interrupts.check()
                if time.monotonic() > deadline:
                    raise CommandError(f"another ./dev has held {path} for {WAIT_SECONDS:.0f} s")
                time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether some process holds the lock alone."""
    if not path.exists():
        return False
    descriptor = open_lock(path)
    try:
        return not try_lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def open_lock(path: Path) -> int:
    """Return a descriptor to lock; closing it gives the lock back."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def try_lock(descriptor: int, kind: int) -> bool:
    """Take the lock (LOCK_SH or LOCK_EX) if that needs no waiting."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
