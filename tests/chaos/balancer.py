"""A real HAProxy before the servers of a test."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from sera.services.ports import unused

START_SECONDS = 10.0

_CONFIGURATION = """
global
    maxconn 6000
defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout server 30s
    timeout tunnel 1h
    option redispatch
frontend front
    bind 127.0.0.1:{port}
    stats enable
    stats uri /stats
    default_backend servers
backend servers
    balance leastconn
    option httpchk GET /readyz
    default-server check inter 200ms fall 2 rise 1
"""


def find() -> str | None:
    """The program; Debian has it where only root looks."""
    return shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


class Balancer:
    """HAProxy that asks each server's /readyz five times a second."""

    def __init__(self, program: str, folder: Path, ports: dict[str, int]) -> None:
        self.port = unused()
        servers = (f"    server {name} 127.0.0.1:{port}" for name, port in ports.items())
        file = folder / "haproxy.cfg"
        file.write_text(_CONFIGURATION.format(port=self.port) + "\n".join(servers) + "\n")
        with (folder / "haproxy.log").open("wb") as log:
            self._process = subprocess.Popen(
                [program, "-db", "-f", str(file)], stdout=log, stderr=subprocess.STDOUT
            )

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/cable"

    def is_up(self, name: str) -> bool:
        """Whether it sends clients to this server."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/stats;csv", timeout=2) as answer:
                rows = [line.split(",") for line in answer.read().decode().splitlines()]
        except URLError:
            return False
        status = rows[0].index("status")
        return any(row[:2] == ["servers", name] and row[status] == "UP" for row in rows[1:])

    async def wait_for(self, name: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not await asyncio.to_thread(self.is_up, name):
            assert time.monotonic() < deadline, f"HAProxy does not see {name}"
            await asyncio.sleep(0.05)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)
