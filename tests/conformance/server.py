"""Runs the conformance application in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Literal
from urllib.request import Request, urlopen

from sera.services.ports import unused

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0
STOP_SECONDS = 20.0
#: Shorter than the defaults, which a unit test holds below what clients wait for.
SUBSCRIBE_TIMEOUT = AUTHENTICATE_TIMEOUT = 0.8
_BOUNDS = {
    "subscribe_timeout": SUBSCRIBE_TIMEOUT,
    "authenticate_timeout": AUTHENTICATE_TIMEOUT,
    "close_timeout": 1.5,
    "drain_window": 0.5,
}

Kind = Literal["uvicorn", "daphne"]
_APPLICATION = "tests.conformance.app.asgi:application"


class CableServer:
    """One server process; `folder` takes its log and the events that its channels record."""

    def __init__(
        self,
        kind: Kind,
        folder: Path,
        *,
        layer: str,
        redis_url: str = "",
        cable: dict[str, Any] | None = None,
        port: int | None = None,
    ) -> None:
        self.kind = kind
        self.port = port or unused()
        self.events_file = folder / "events.jsonl"
        self.events_file.touch()
        self.log_file = folder / "server.log"
        commands = {
            "uvicorn": [
                *("cable.servers.uvicorn", _APPLICATION, "--port", str(self.port)),
                *("--log-level", "warning", "--ws-per-message-deflate", "false"),
            ],
            "daphne": [
                *("cable.servers.daphne", "--port", str(self.port), "--verbosity", "0"),
                _APPLICATION,
            ],
        }
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *commands[kind]],
                cwd=ROOT,
                env={
                    **os.environ,
                    "REDIS_URL": redis_url,
                    "CONFORMANCE_LAYER": layer,
                    "CONFORMANCE_CABLE": json.dumps({**_BOUNDS, **(cable or {})}),
                    "CONFORMANCE_EVENTS": str(self.events_file),
                },
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait_until_ready()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/cable"

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def events(self, key: str) -> list[dict[str, Any]]:
        """What channels recorded for the identity `key`, in order."""
        lines = self.events_file.read_text().splitlines()
        return [event for event in map(json.loads, lines) if event["key"] == key]

    def get(self, path: str) -> dict[str, Any]:
        """Ask the application for what it knows."""
        with urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=15) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def post(self, path: str, **order: object) -> None:
        """Ask the application for something over HTTP."""
        request = Request(
            f"http://127.0.0.1:{self.port}/{path}", data=json.dumps(order).encode(), method="POST"
        )
        with urlopen(request, timeout=15) as answer:
            assert answer.status == 204

    def terminate(self) -> int:
        """Stop it as a deployment does; the exit status."""
        self.ask_to_end()
        return self.wait()

    def ask_to_end(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)

    def wait(self) -> int:
        """Let it end; the exit status."""
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=2).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        self.process.kill()
        raise AssertionError(f"{self.kind} did not start: {self.log}")
