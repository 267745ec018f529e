"""Starts the real services before Django reads its settings, and stops them after the tests.

Loaded by `-p tests.services_plugin`, so that bare `pytest` works too. Each run has services of
its own, so runs may go side by side. TEST_DATABASE_URL and TEST_REDIS_URL name other servers.
"""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

import pytest

from sera.services.ports import unused
from sera.services.postgres import PostgresServer
from sera.services.process_tree import is_alive
from sera.services.valkey import ValkeyServer

ROOT = Path(__file__).resolve().parent.parent
RUNS = ROOT / ".data" / "test"
DATA = RUNS / f"run-{os.getpid()}"

_running: list[PostgresServer | ValkeyServer] = []


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    _end_leftovers()
    os.environ["SECRET_KEY"] = secrets.token_urlsafe(48)
    os.environ["DATA_DIR"] = str(DATA)
    os.environ["DEBUG"] = "false"
    os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL") or _start(
        PostgresServer(DATA / "postgres", unused(), durable=False)
    )
    os.environ["REDIS_URL"] = os.environ.get("TEST_REDIS_URL") or _start(
        ValkeyServer(DATA / "valkey", unused(), durable=False)
    )


def pytest_unconfigure(config: pytest.Config) -> None:
    while _running:
        _running.pop().stop()
    shutil.rmtree(DATA, ignore_errors=True)


def _end_leftovers() -> None:
    """Stop what runs that were killed had left behind."""
    for folder in RUNS.glob("run-*"):
        if not is_alive(int(folder.name.removeprefix("run-"))):
            PostgresServer(folder / "postgres", 0, durable=False).stop()
            ValkeyServer(folder / "valkey", 0, durable=False).stop()
            shutil.rmtree(folder, ignore_errors=True)


def _start(server: PostgresServer | ValkeyServer) -> str:
    server.start()
    _running.append(server)
    return server.url
