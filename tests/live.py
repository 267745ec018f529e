"""The product's own processes, started by tests on free ports: uvicorn, Daphne, Celery."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from sera.services.ports import unused
from tests.world import PASSWORD, Persona

ROOT = Path(__file__).resolve().parent.parent
# A server on a busy machine of two cores imports Django for some seconds.
START_SECONDS = 60
STOP_SECONDS = 20

SERVERS: dict[str, list[str]] = {
    "uvicorn": [
        "-m",
        "cable.servers.uvicorn",
        "sera.asgi:application",
        "--host=127.0.0.1",
        "--ws=websockets-sansio",
        "--ws-per-message-deflate=false",
        "--no-access-log",
        "--port",
    ],
    "runserver": ["manage.py", "runserver", "--noreload", "--nothreading"],
}


class Process:
    """One process of the product, with the tests' settings, services and database."""

    def __init__(self, command: list[str], log: Path, environment: Mapping[str, str]) -> None:
        self._command = [sys.executable, *command]
        self._environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "PYTHONUNBUFFERED": "1",
            "DRAIN_SECONDS": "0.2",
            **environment,
        }
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self, stop_signal: signal.Signals = signal.SIGTERM) -> int:
        """End the process and its children; its exit status."""
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.poll() is None:
            group = os.getpgid(process.pid)
            os.kill(process.pid, stop_signal)
            try:
                return process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(group, signal.SIGKILL)
        return process.wait(STOP_SECONDS)

    def wait(self) -> int:
        """Let a process that ends by itself do so; its exit status."""
        assert self._process is not None
        return self._process.wait(START_SECONDS)

    def kill(self) -> None:
        """SIGKILL, as when the machine runs out of memory."""
        self.stop(signal.SIGKILL)

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Poll until the condition holds; fail with the process's last words otherwise."""
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            ended = self._process is None or self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                raise AssertionError(f"{what} did not happen:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.05)


class WebServer(Process):
    """A web server of the product; companies are told apart by the Host header."""

    def __init__(
        self,
        log: Path,
        *,
        kind: str = "uvicorn",
        port: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port or unused()
        address = f"127.0.0.1:{self.port}" if kind == "runserver" else str(self.port)
        super().__init__([*SERVERS[kind], address], log, environment or {})

    def start(self) -> None:
        super().start()
        self.wait_for(self._is_ready, "the web server's start")

    def url_of(self, persona: Persona, path: str = "/") -> str:
        """The address that a browser uses."""
        return f"http://{persona.host}:{self.port}{path}"

    def client_of(self, persona: Persona) -> httpx.Client:
        """A plain HTTP client of one company, without credentials."""
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"Host": f"{persona.host}:{self.port}"},
            timeout=10,
        )

    def phone_of(self, persona: Persona, email: str | None = None) -> httpx.Client:
        """An HTTP client with the access token of a user, by default the technician."""
        client = self.client_of(persona)
        response = client.post(
            "/api/v1/auth/token/",
            json={"email": email or persona.technician, "password": PASSWORD},
        )
        assert response.status_code == 200, response.text
        client.headers["Authorization"] = f"Bearer {response.json()['access']}"
        return client

    def cable_of(
        self,
        persona: Persona,
        token: str | None = None,
        *,
        protocol: str = "actioncable-v1-json",
        **headers: str,
    ) -> ClientConnection:
        """An open socket at the company's `/cable`, before its first frame."""
        query = f"?jid={token}" if token else ""
        return connect(
            f"ws://{persona.host}:{self.port}/cable{query}",
            sock=socket.create_connection(("127.0.0.1", self.port), timeout=10),
            additional_headers=headers,
            subprotocols=[Subprotocol(protocol)],
        )

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False


def frames(connection: ClientConnection, count: int) -> list[dict[str, Any]]:
    """The next frames of a cable socket, without pings; fails after 10 s of silence."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        frame = json.loads(connection.recv(10))
        if frame.get("type") != "ping":
            found.append(frame)
    return found


def subscribe(connection: ClientConnection, channel: str, **params: Any) -> str:
    """Send a subscribe command; the identifier that frames will carry."""
    identifier = json.dumps({"channel": channel, **params})
    connection.send(json.dumps({"command": "subscribe", "identifier": identifier}))
    return identifier


def perform(connection: ClientConnection, identifier: str, action: str, **data: Any) -> None:
    """Call an action of a subscription's channel."""
    command = {"command": "message", "identifier": identifier}
    connection.send(json.dumps({**command, "data": json.dumps({"action": action, **data})}))


def access_token(client: httpx.Client) -> str:
    """The access token that a client of `phone_of` speaks with."""
    return client.headers["Authorization"].removeprefix("Bearer ")
