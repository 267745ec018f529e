"""Servers in folders of their own, gone after the test whatever it did to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sera.services import PostgresServer, Server, ValkeyServer


@pytest.fixture
def kept() -> Iterator[Callable[[Server], Server]]:
    """Note a server, to be killed after the test."""
    servers: list[Server] = []

    def keep(server: Server) -> Server:
        servers.append(server)
        return server

    yield keep
    for server in servers:
        server.kill()


@pytest.fixture
def postgres(tmp_path: Path, kept: Callable[[Any], Any]) -> PostgresServer:
    """A server that has not started yet, and will not wait for the disk."""
    server: PostgresServer = kept(PostgresServer(tmp_path / "pg", 0, durable=False))
    return server


@pytest.fixture
def durable_postgres(tmp_path: Path, kept: Callable[[Any], Any]) -> PostgresServer:
    """A server as `./dev up` starts it."""
    server: PostgresServer = kept(PostgresServer(tmp_path / "pg", 0))
    return server


@pytest.fixture
def valkey(tmp_path: Path, kept: Callable[[Any], Any]) -> ValkeyServer:
    """A server that has not started yet."""
    server: ValkeyServer = kept(ValkeyServer(tmp_path / "valkey", 0))
    return server
