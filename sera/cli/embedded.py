"""The embedded services, shared by every `./dev` command that runs at the moment.

Each command holds a shared lock while it uses them. The last one to leave, which is the one
that gets the lock alone, stops them.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

from sera.cli import interrupts
from sera.cli.console import CommandError
from sera.cli.environment import secret_key
from sera.cli.locks import open_lock, try_lock
from sera.cli.paths import DATA
from sera.services import PostgresServer, Server, ServiceError, ValkeyServer

# Below the range from which systems lend ports to outgoing connections (32768 and up).
POSTGRES_PORT = 15432
VALKEY_PORT = 16379

# Stopping two servers in order; whoever stops them holds the lock that long.
_LOCK_SECONDS = 90.0
_POLL_SECONDS = 0.05

_WATCH_SECONDS = 1.0
# Whatever ends a service this often is not mended by starting it again.
MAX_REVIVALS = 5


def servers(settings: Mapping[str, str]) -> dict[str, Server]:
    """Return the servers that the person does not bring along, by the variable they set."""
    own: dict[str, Server] = {
        "DATABASE_URL": PostgresServer(DATA / "postgres", POSTGRES_PORT),
        "REDIS_URL": ValkeyServer(DATA / "valkey", VALKEY_PORT),
    }
    return {name: server for name, server in own.items() if name not in settings}


@contextmanager
def running_services(settings: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Give the variables that Sera's processes need, with the services up.

    Raises:
        CommandError: a service did not start; the text has its last words.
    """
    DATA.mkdir(exist_ok=True)
    embedded = servers(settings)
    users = open_lock(DATA / "services.lock")
    try:
        _join(users)
        try:
            for server in embedded.values():
                server.start()
                interrupts.check()
            yield {
                "SECRET_KEY": settings.get("SECRET_KEY") or secret_key(),
                **{name: settings.get(name, "") for name in ("DATABASE_URL", "REDIS_URL")},
                **{name: server.url for name, server in embedded.items()},
            }
        finally:
            if try_lock(users, fcntl.LOCK_EX):
                for server in embedded.values():
                    server.stop()
    except ServiceError as error:
        raise CommandError(str(error)) from None
    finally:
        os.close(users)


class Watch:
    """Starts an embedded service again that ended while `up` runs, as a killed program's parent."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._servers = servers(settings)
        self._urls = {name: server.url for name, server in self._servers.items()}
        self._revivals = 0
        self._next = 0.0

    def check(self) -> list[str]:
        """Return the names of the services that were started again.

        Raises:
            CommandError: one does not come up again, or not at its address.
        """
        now = time.monotonic()
        if now < self._next:
            return []
        self._next = now + _WATCH_SECONDS
        revived = []
        for name, server in self._servers.items():
            if server.is_running():
                continue
            self._revivals += 1
            if self._revivals > MAX_REVIVALS:
                raise CommandError(
                    f"{server.name} ended {MAX_REVIVALS + 1} times; see {server.log}"
                )
            try:
                server.start()
            except ServiceError as error:
                raise CommandError(str(error)) from None
            if server.url != self._urls[name]:
                raise CommandError(f"{server.name} came back at another port; run ./dev up again")
            revived.append(server.name)
        return revived


def stop_services() -> list[str]:
    """Stop the embedded services, whoever uses them; return the names of those that ran."""
    stopped = []
    try:
        for server in servers({}).values():
            if server.is_running():
                server.stop()
                stopped.append(server.name)
    except ServiceError as error:
        raise CommandError(str(error)) from None
    return stopped


def psql_environment(database_url: str) -> dict[str, str]:
    """Return the PG* variables for a URL: a command line would show the password to others."""
    parts = urlsplit(database_url)
    found = {
        "PGHOST": parts.hostname,
        "PGPORT": str(parts.port) if parts.port else None,
        "PGUSER": unquote(parts.username) if parts.username else None,
        "PGPASSWORD": unquote(parts.password) if parts.password else None,
        "PGDATABASE": unquote(parts.path.lstrip("/")),
    }
    return {name: value for name, value in found.items() if value}


def _join(users: int) -> None:
    deadline = time.monotonic() + _LOCK_SECONDS
    while not try_lock(users, fcntl.LOCK_SH):
        interrupts.check()
        if time.monotonic() > deadline:
            raise CommandError(
                f"another ./dev has been stopping the services for {_LOCK_SECONDS} s"
            )
        time.sleep(_POLL_SECONDS)
