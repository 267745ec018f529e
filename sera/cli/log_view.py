"""The lines of the processes' logs that a person should see while `./dev up` runs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from sera.cli.console import warn

# A log that grew past this is moved aside (one old copy is kept): `up` may run for weeks.
LOG_BYTES = 32 * 1024 * 1024
# More lines than this at once are a flood; the log has them all.
LINES_AT_ONCE = 10
# What is read of a log at once.
_CHUNK_BYTES = 256 * 1024

_IMPORTANT = re.compile(r"\b(warning|error|critical|fatal)\b", re.IGNORECASE)
# Of a traceback only its last line; the log has the rest.
_LAST_OF_TRACEBACK = re.compile(r"^[\w.]+(Error|Exception|Refused|Exit)\b")


class LogView:
    """Follows one log and shows its important lines with the process's name before them."""

    def __init__(self, name: str, path: Path) -> None:
        self._name = name
        self._path = path
        self._offset = 0
        self._rest = b""

    def show_new(self) -> None:
        """Print what is important of what was written since the last call."""
        lines = [line for line in self._new_lines() if is_important(line)]
        for line in lines[:LINES_AT_ONCE]:
            warn(f"{self._name} | {line}")
        if len(lines) > LINES_AT_ONCE:
            warn(f"{self._name} | … {len(lines) - LINES_AT_ONCE} more in {self._path}")

    def _new_lines(self) -> list[str]:
        try:
            size = self._path.stat().st_size
            if size < self._offset:  # started afresh
                self._offset, self._rest = 0, b""
            with self._path.open("rb") as log:
                log.seek(self._offset)
                data = log.read(_CHUNK_BYTES)
        except FileNotFoundError:
            return []
        self._offset += len(data)
        if self._offset > LOG_BYTES:
            self._move_aside()
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [line.decode(errors="replace").rstrip() for line in lines]

    def _move_aside(self) -> None:
        # The process appends to the open file, so it is emptied, not renamed.
        shutil.copyfile(self._path, self._path.with_name(f"{self._path.name}.1"))
        with self._path.open("r+b") as log:
            log.truncate(0)
        self._offset = 0


def is_important(line: str) -> bool:
    """Whether a line tells of trouble."""
    return bool(_IMPORTANT.search(line) or _LAST_OF_TRACEBACK.match(line))
