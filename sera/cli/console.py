"""What the person at the terminal sees: steps with their time, warnings, and one-line errors."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from sera.cli import interrupts

# Lines of a failed step's log that are repeated on the screen.
TAIL_LINES = 15
# What a step gets to end by itself after Ctrl-C.
STOP_SECONDS = 5.0
# On a terminal the time is rewritten in place; elsewhere (CI) a line now and then shows life.
_TICK_SECONDS = 0.5
_QUIET_TICK_SECONDS = 30.0
_POLL_SECONDS = 0.05


class CommandError(Exception):
    """`./dev` cannot go on. The text is all that the person sees."""


def say(text: str = "") -> None:
    """Print a line at once."""
    _print(f"{text}\n", sys.stdout)


def warn(text: str) -> None:
    """Print a line to standard error at once."""
    _print(f"{text}\n", sys.stderr)


def run_step(
    title: str,
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str],
    cwd: Path,
) -> None:
    """Run `command` with its output in `log`, showing one line with the elapsed time.

    Raises:
        CommandError: it failed; the text has the end of its output and the log's path.
        Interrupted: a signal asked us to stop; the command and its children are gone.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    line = _ProgressLine(title)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that its children can be ended with it
        )
        try:
            while process.poll() is None:
                interrupts.check()
                line.tick()
                time.sleep(_POLL_SECONDS)
        except BaseException:
            end_group(process, STOP_SECONDS)
            line.end("stopped")
            raise
    if process.returncode != 0:
        line.end("failed")
        raise CommandError(
            f"{title}: {describe_exit(process.returncode)}. Its last lines:\n"
            f"{tail(log, TAIL_LINES)}\nAll of it is in {log}"
        )
    line.end("done")


def end_group(process: subprocess.Popen[bytes], seconds: float) -> None:
    """End a process that leads its session and all its children: SIGTERM, then SIGKILL."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    # The group may be gone already; macOS says EPERM if only zombies are left of it.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def describe_exit(status: int) -> str:
    """Return `exit status 3` or `ended by SIGKILL`."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"ended by signal {-status}"


def tail(path: Path, lines: int) -> str:
    """Return the last `lines` lines of a file, indented; a placeholder if there are none."""
    try:
        text = path.read_text(errors="replace").rstrip()
    except FileNotFoundError:
        text = ""
    last = text.splitlines()[-lines:] or ["(no output)"]
    return "\n".join(f"  | {line}" for line in last)


def _print(text: str, stream: TextIO) -> None:
    # The terminal may have been closed; what we started must be stopped all the same.
    with contextlib.suppress(OSError):
        stream.write(text)
        stream.flush()


class _ProgressLine:
    """`title … 12 s`, rewritten in place on a terminal."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._start = self._shown = time.monotonic()
        self._terminal = sys.stdout.isatty()
        _print(f"{title} …" + ("" if self._terminal else "\n"), sys.stdout)

    def tick(self) -> None:
        now = time.monotonic()
        if now - self._shown < (_TICK_SECONDS if self._terminal else _QUIET_TICK_SECONDS):
            return
        self._shown = now
        elapsed = f"{self._title} … {now - self._start:.0f} s"
        _print(f"\r{elapsed}" if self._terminal else f"{elapsed}\n", sys.stdout)

    def end(self, outcome: str) -> None:
        start = "\r" if self._terminal else ""
        elapsed = f"{time.monotonic() - self._start:.1f} s"
        _print(f"{start}{self._title} … {outcome} in {elapsed}\n", sys.stdout)
