"""The server under test: one process on a free port of the loopback interface."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.machine import RigError, pinned_to
from bench.stacks import Stack
from sera.services.ports import LOOPBACK, unused

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 30.0
STOP_SECONDS = 10.0
_LOG_LINES = 20


def environment(stack: Stack, valkey_url: str) -> dict[str, str]:
    """The variables that `bench.settings` reads."""
    return {
        "DJANGO_SETTINGS_MODULE": "bench.settings",
        "BENCH_VALKEY": valkey_url,
        "BENCH_LAYER": stack.layer,
    }


#: Stands in a server's command for the port that it is to listen on.
PORT = "{port}"


class ServerProcess:
    """Started and listening; `log` is the file that takes its output."""

    def __init__(
        self,
        command: Sequence[str],
        variables: Mapping[str, str],
        *,
        cores: frozenset[int],
        log: Path,
    ) -> None:
        """Run `python -m COMMAND`; raises `RigError` if it does not come up."""
        self.port = unused()
        self.log = log
        arguments = [part.replace(PORT, str(self.port)) for part in command]
        with log.open("wb") as output, pinned_to(cores):
            self._process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=ROOT,
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is the rig's to handle
            )
        try:
            self._wait_until_listening()
        except BaseException:
            self.kill()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def said(self) -> str:
        """The last lines of what it logged: warnings and errors."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_LOG_LINES:])

    def check(self) -> None:
        """Raises `RigError` if it has ended."""
        if self._process.poll() is not None:
            raise RigError(
                f"the server ended with status {self._process.returncode}:\n{self.said()}"
            )

    def kill(self) -> None:
        """End it at once: it holds nothing that is wanted later. Harmless if it ended."""
        if self._process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(STOP_SECONDS)

    def _wait_until_listening(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self.check()
            try:
                socket.create_connection((LOOPBACK, self.port), timeout=2).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise RigError(f"the server did not listen within {START_SECONDS:g} s:\n{self.said()}")
