"""What processes and cores have used, by the operating system's own accounts (Linux' /proc)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sera.services.process_tree import descendants

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# Of a line "cpuN …" in /proc/stat: all but idle (3), iowait (4) and the guests' (counted twice).
_BUSY_COLUMNS = (0, 1, 2, 5, 6, 7)


def cpu_seconds(pid: int) -> float:
    """CPU time of a process with all its threads, user and system, seconds.

    Raises:
        FileNotFoundError: no such process.
    """
    # The second field is the command in parentheses, which may hold spaces and parentheses.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = int(fields[11]), int(fields[12])
    return (user + system) / _TICKS_PER_SECOND


def family_cpu_seconds(pid: int) -> float:
    """The same of a process with all below it, also of those that have ended, seconds.

    Raises:
        FileNotFoundError: no such process.
    """
    ticks = 0
    for member in (pid, *descendants(pid)):
        try:
            stat = Path(f"/proc/{member}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            if member == pid:
                raise
            continue  # its parent has it in its account from now on
        # User and system time of its own, and of its children that it has waited for.
        ticks += sum(int(field) for field in stat.rpartition(")")[2].split()[11:15])
    return ticks / _TICKS_PER_SECOND


def resident_bytes(pid: int) -> int:
    """Memory of a process that is in RAM, bytes.

    Raises:
        FileNotFoundError: no such process.
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except PermissionError:  # another user's process
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    kilobytes = next(line.split()[1] for line in lines if line.startswith("Rss:"))
    return int(kilobytes) * 1024


def busy_seconds(cores: Iterable[int]) -> float:
    """CPU time that these cores gave to anybody since the machine started, seconds."""
    return busy_ticks(Path("/proc/stat").read_text(), cores) / _TICKS_PER_SECOND


def busy_ticks(stat: str, cores: Iterable[int]) -> int:
    """The same in clock ticks, from the text of /proc/stat."""
    wanted = {f"cpu{core}" for core in cores}
    total = 0
    for line in stat.splitlines():
        name, *columns = line.split()
        if name in wanted:
            total += sum(int(columns[column]) for column in _BUSY_COLUMNS)
    return total


@dataclass(frozen=True)
class Usage:
    """What was used between two moments; all in seconds."""

    wall: float
    server: float
    valkey: float
    drivers: list[float]
    publisher: float
    #: By anybody on the server's core.
    server_core: float
    #: By anybody on the cores of Valkey, drivers and publisher, and how many cores these are.
    other_cores: float
    other_cores_count: int
    #: By PostgreSQL with its backends.
    database: float = 0.0

    @property
    def server_share(self) -> float:
        """Of its core, 0…1: near 1 the server decided how fast the run was."""
        return self.server / self.wall

    @property
    def disturbance(self) -> float:
        """Of the server's core or of the others together, 0…1: taken by other programs.

        What the kernel does without charging it to a process counts too.
        """
        ours = self.valkey + self.publisher + self.database + sum(self.drivers)
        on_server_core = (self.server_core - self.server) / self.wall
        on_others = (self.other_cores - ours) / (self.wall * self.other_cores_count)
        return max(0.0, on_server_core, on_others)

    @property
    def rig_share(self) -> float:
        """Of the other cores, 0…1, taken by anybody: near 1 the rig decided."""
        return self.other_cores / (self.wall * self.other_cores_count)

    @property
    def busiest_driver_share(self) -> float:
        """Of one core, 0…1."""
        return max(self.drivers, default=0.0) / self.wall


class Meter:
    """Reads the accounts of a run's processes."""

    def __init__(
        self,
        *,
        server: int,
        valkey: int,
        drivers: list[int],
        publisher: int | None,
        database: int | None = None,
        server_cores: Iterable[int],
        other_cores: Iterable[int],
    ) -> None:
        self._families = [server, *([database] if database else [])]
        self._pids = [valkey, *([publisher] if publisher else []), *drivers]
        self._has_publisher, self._has_database = publisher is not None, database is not None
        self._server_cores, self._other_cores = list(server_cores), list(other_cores)
        self._started = self._read()

    def restart(self) -> None:
        self._started = self._read()

    def read(self) -> Usage:
        """What was used since the last `restart`."""
        now = self._read()
        wall, server_core, other_cores, server, *rest = (
            after - before for before, after in zip(self._started, now, strict=True)
        )
        database = rest.pop(0) if self._has_database else 0.0
        valkey = rest.pop(0)
        return Usage(
            wall=wall,
            server=server,
            valkey=valkey,
            publisher=rest.pop(0) if self._has_publisher else 0.0,
            drivers=rest,
            server_core=server_core,
            other_cores=other_cores,
            other_cores_count=len(self._other_cores),
            database=database,
        )

    def _read(self) -> list[float]:
        return [
            time.monotonic(),
            busy_seconds(self._server_cores),
            busy_seconds(self._other_cores),
            *map(family_cpu_seconds, self._families),
            *map(cpu_seconds, self._pids),
        ]
