"""Which processes descend from which: needed to kill a server with all its workers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def descendants(pid: int) -> list[int]:
    """Return the ids of all living processes below `pid`, parents before children."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    found = list(children.get(pid, []))
    for child in found:  # grows while it is walked
        found.extend(children.get(child, []))
    return found


def is_alive(pid: int) -> bool:
    """Whether `pid` runs. A zombie, which only waits for its parent's attention, does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    stat = _read_stat(pid)
    return stat is None or stat[0] != "Z"


def start_mark(pid: int) -> str | None:
    """Return a text that tells this process from a later one with the same id; None if dead."""
    if not is_alive(pid):
        return None
    stat = _read_stat(pid)
    if stat is not None:
        return stat[19]  # starttime, in clock ticks since boot
    listing = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listing.stdout.strip() or None


def _parents() -> list[tuple[int, int]]:
    """Return (process, parent) pairs, from /proc where there is one (slim images have no ps)."""
    if Path("/proc/self/stat").exists():
        pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
        stats = [(pid, _read_stat(pid)) for pid in pids]
        return [(pid, int(stat[1])) for pid, stat in stats if stat is not None]
    listing = subprocess.run(
        ["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=True
    )
    rows = (line.split() for line in listing.stdout.splitlines())
    return [(int(pid), int(parent)) for pid, parent in rows]


def _read_stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat from `state` on; None where there is no such file."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # The second field is the command in parentheses, which may hold spaces and parentheses.
    return text[text.rindex(")") + 1 :].split()
