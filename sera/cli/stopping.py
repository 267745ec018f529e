"""`./dev down` and `./dev reset`: they need nothing installed, so they work on a broken clone."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Iterator

from sera.cli import interrupts, run_record
from sera.cli.console import CommandError, say
from sera.cli.embedded import stop_services
from sera.cli.locks import Busy, exclusive, is_held
from sera.cli.paths import DATA

# `up` stops four processes and two servers in order, each within its own bound.
DOWN_SECONDS = 120.0
_POLL_SECONDS = 0.1

# What `reset` removes. Caches, logs and the secret key stay.
_DATABASES = ("postgres", "valkey", "files", "celerybeat-schedule*")


def down(_options: Namespace) -> int:
    """Stop a `./dev up` of this clone and the services, whatever is left of them.

    Raises:
        CommandError: it did not stop in time, or belongs to another user.
    """
    stopped = []
    run = run_record.read()
    if run is not None and is_held(run_record.LOCK):
        try:
            os.kill(run.pid, signal.SIGTERM)
        except PermissionError:
            raise CommandError(f"Process {run.pid} belongs to another user") from None
        except ProcessLookupError:
            pass
        _await_end(run.pid)
        stopped.append("up")
    with _not_running():
        stopped += run_record.clear_leftovers()
        stopped += stop_services()
    say(f"Stopped: {', '.join(stopped)}" if stopped else "Nothing was running")
    return 0


def reset(options: Namespace) -> int:
    """Delete the databases of this clone after asking.

    Raises:
        CommandError: Sera is running, or nobody can be asked.
    """
    with _not_running():
        found = [path for name in _DATABASES for path in sorted(DATA.glob(name))]
        if not found:
            say("There is nothing to delete")
            return 0
        say("This deletes all companies, people, jobs and positions of this clone:")
        for path in found:
            say(f"  {path}")
        if not options.yes and not _agrees():
            say("Nothing was deleted")
            return 1
        run_record.clear_leftovers()
        stop_services()
        for path in found:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        say("Deleted; the next ./dev up starts afresh")
        return 0


@contextlib.contextmanager
def _not_running() -> Iterator[None]:
    DATA.mkdir(exist_ok=True)
    try:
        with exclusive(run_record.LOCK, wait=False):
            yield
    except Busy:
        raise CommandError("Sera is running; stop it first: ./dev down") from None


def _await_end(pid: int) -> None:
    deadline = time.monotonic() + DOWN_SECONDS
    while is_held(run_record.LOCK):
        interrupts.check()
        if time.monotonic() > deadline:
            raise CommandError(f"Process {pid} did not stop within {DOWN_SECONDS:.0f} s")
        time.sleep(_POLL_SECONDS)


def _agrees() -> bool:
    if not sys.stdin.isatty():
        raise CommandError("Nobody is at the terminal to ask; ./dev reset --yes does not ask")
    try:
        with interrupts.immediate():
            return input("Type yes to go on: ").strip().lower() == "yes"
    except EOFError:
        return False
