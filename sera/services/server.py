"""What the embedded servers have in common: one process per data folder, started and stopped.

The truth about "does a server run on this folder" is a lock on `<folder>/lock` that the server
process inherits and never releases: the operating system frees it when the last process of the
server is gone, however it ended. So a pid file that outlived its process misleads nobody, two
servers never open the same files, and a server that outlived its launcher is found again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from sera.services import ports
from sera.services.account import Account, AccountError, choose_account
from sera.services.process_tree import descendants, is_alive

# Crash recovery replays at most max_wal_size (1 GB), which takes seconds.
START_SECONDS = 60.0
# A fast shutdown ends with a checkpoint; a minute would mean a broken disk.
STOP_SECONDS = 30.0
# After SIGKILL only the operating system's own cleaning up is left.
KILL_SECONDS = 10.0
# Neighbours of the wanted port that are tried before giving up.
PORT_TRIES = 50
# A log larger than this starts afresh at the next start; one old copy is kept.
LOG_BYTES = 8 * 1024 * 1024
# Lines of a server's log that an error repeats.
TAIL_LINES = 8
_POLL_SECONDS = 0.02


class ServiceError(Exception):
    """A server cannot be started or stopped. The text is meant for the person at the terminal."""


class Server(ABC):
    """A server process on 127.0.0.1 that owns `data_dir`.

    Args:
        data_dir: created if missing; holds the server's files, its password and its log.
        port: the wanted TCP port; 0 means any. A used one is replaced by the next free one.
        durable: False trades every committed byte for speed: for tests only.
        log: where the server's output goes; `<data_dir>/server.log` unless given.
    """

    name: str

    def __init__(
        self, data_dir: Path, port: int, *, durable: bool = True, log: Path | None = None
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.durable = durable
        self.log = log or self.data_dir / "server.log"
        self._wanted_port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    # What a kind of server must tell

    @property
    @abstractmethod
    def url(self) -> str:
        """The address with the password; valid once started."""

    @property
    @abstractmethod
    def files(self) -> Path:
        """The folder below `data_dir` that the server itself writes."""

    @abstractmethod
    def find_binary(self) -> Path:
        """Return the server program.

        Raises:
            ServiceError: there is none.
        """

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether this folder's server runs and answers queries now."""

    @abstractmethod
    def _prepare(self, account: Account, lock: int) -> None:
        """Make the folder fit to start on; called with the lock held."""

    @abstractmethod
    def _command(self, account: Account, port: int) -> tuple[list[str], bytes]:
        """Return the command that becomes the server, and its standard input."""

    @abstractmethod
    def _pid_and_port(self) -> tuple[int, int] | None:
        """Return what the server's own files say, true only while the lock is held."""

    _stop_signals: tuple[signal.Signals, ...]

    # What callers use

    @property
    def pid(self) -> int | None:
        """The main process of the server that runs on this folder; None if none does."""
        told = self._told()
        return told[0] if told else None

    @property
    def port(self) -> int:
        """The port that the server listens on; the wanted one while none runs."""
        told = self._told()
        return told[1] if told else self._wanted_port

    def start(self) -> None:
        """Return when this folder's server answers: a new one, or one that already runs.

        Raises:
            ServiceError: it did not come up; the text has its last words.
        """
        try:
            self._start(deadline=time.monotonic() + START_SECONDS)
        except AccountError as error:
            raise ServiceError(f"{self.name}: {error}") from None
        except PermissionError as error:
            raise ServiceError(
                f"{self.name}: {error.filename} belongs to another user; "
                "start as that user, or use a clone of your own"
            ) from None

    def stop(self) -> None:
        """End the server in order, whoever started it; harmless when none runs.

        Raises:
            ServiceError: it survived even SIGKILL.
        """
        for stop_signal in self._stop_signals:
            # A server that only just starts has the lock but has not told its pid yet.
            self._wait(lambda: self.pid is not None or not self.is_running(), START_SECONDS)
            pid = self.pid
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, stop_signal)
            if self._wait(lambda: not self.is_running(), STOP_SECONDS):
                self._reap()
                return
        self.kill()

    def kill(self) -> None:
        """Kill the server and all its workers at once; the files stay as they are.

        Raises:
            ServiceError: a process is still there after KILL_SECONDS.
        """
        pid = self.pid
        family: list[int] = []
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)  # a stopped parent makes no more children
            family = [pid, *descendants(pid)]
            for member in family:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(member, signal.SIGKILL)

        def is_over() -> bool:
            # The lock goes a moment before the process that held it.
            return not self.is_running() and not any(map(is_alive, family))

        if not self._wait(is_over, KILL_SECONDS):
            raise ServiceError(f"{self.name}: process {pid} is still there after SIGKILL")
        self._reap()

    def is_running(self) -> bool:
        """Whether any process of this folder's server is left."""
        if not self._lock_path.exists():
            return False
        with self._try_lock() as lock:
            return lock is None

    # How it is done

    def _start(self, deadline: float) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        while time.monotonic() < deadline:
            if self.is_ready():
                return
            with self._try_lock() as lock:
                if lock is not None:
                    self._raise_if_broken()
                    self._launch(lock)
            time.sleep(_POLL_SECONDS)
        raise ServiceError(
            f"{self.name} did not answer within {START_SECONDS:.0f} s:\n{self._last_words()}"
        )

    def _raise_if_broken(self) -> None:
        """Raise if the process that we started has ended for a reason that will not go away."""
        if self._process is None:
            return
        status = self._process.wait()
        self._process = None
        words = self._last_words()
        # Somebody may take the port between our look and the server's; then we choose again.
        if "Address already in use" not in words:
            raise ServiceError(f"{self.name} ended with status {status}:\n{words}")

    def _launch(self, lock: int) -> None:
        binary = self.find_binary()
        # The unprivileged account must pass through, but not list or change anything.
        self.data_dir.chmod(0o711 if os.geteuid() == 0 else 0o700)
        owner = self.files.stat().st_uid if self.files.exists() else None
        account = choose_account(binary=binary, folder=self.data_dir, owner=owner)
        with self._open_log() as log:
            self._prepare(account, lock)
            port = ports.next_free(self._wanted_port, tries=PORT_TRIES)
            if port is None:
                last = self._wanted_port + PORT_TRIES - 1
                raise ServiceError(f"{self.name}: no free port in {self._wanted_port}-{last}")
            command, stdin = self._command(account, port)
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=server_environment(),
                pass_fds=[lock],
                start_new_session=True,  # Ctrl-C at the terminal is the launcher's to handle
            )
        # A server that died already closed its end; the next look at it says why it did.
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:
                pipe.write(stdin)

    def _told(self) -> tuple[int, int] | None:
        return self._pid_and_port() if self.is_running() else None

    def _wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def _reap(self) -> None:
        if self._process is not None:
            self._process.wait(KILL_SECONDS)
            self._process = None

    @property
    def _lock_path(self) -> Path:
        return self.data_dir / "lock"

    @contextlib.contextmanager
    def _try_lock(self) -> Iterator[int | None]:
        """Give the descriptor of the lock that we now hold; None if a server holds it.

        Leaving only closes our descriptor: a process that inherited it keeps the lock.
        """
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            yield None
            return
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _open_log(self) -> BinaryIO:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_name(self.log.name + ".1"))
        log = open(self.log, "ab", opener=_open_private)  # noqa: SIM115  (the caller closes it)
        self._log_start = log.tell()
        return log

    def _last_words(self) -> str:
        """Return the end of what this start wrote to the log, and where the log is."""
        try:
            with self.log.open("rb") as log:
                log.seek(self._log_start)
                lines = log.read().decode(errors="replace").splitlines()
        except FileNotFoundError:
            lines = []
        return "\n".join([*(f"  {line}" for line in lines[-TAIL_LINES:]), f"  (log: {self.log})"])

    @property
    def _password_path(self) -> Path:
        return self.data_dir / "password"

    def _make_password(self, account: Account) -> None:
        """Write the folder's password, readable by `account` (and root) only."""
        fresh = self.data_dir / "password.new"
        fresh.unlink(missing_ok=True)
        with open(fresh, "x", encoding="ascii", opener=_open_private) as file:
            file.write(secrets.token_urlsafe(24))
        account.give(fresh)
        fresh.replace(self._password_path)

    def _password(self) -> str:
        return self._password_path.read_text(encoding="ascii")


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def server_environment() -> dict[str, str]:
    """Return our environment without what would steer a server: PG*, locale, time zone."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}
