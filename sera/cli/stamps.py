"""Whether a step's inputs changed since it last succeeded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def digest(files: Iterable[Path], *facts: str) -> str:
    """Return a hash of the files' paths and contents and of other `facts` (versions)."""
    whole = hashlib.sha256()
    for part in facts:
        whole.update(f"{part}\0".encode())
    for file in sorted(files):
        whole.update(f"{file}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\0".encode())
    return whole.hexdigest()


def is_current(stamp: Path, value: str) -> bool:
    """Whether the step that wrote `stamp` last succeeded with inputs of this digest."""
    try:
        return stamp.read_text(encoding="ascii") == value
    except (FileNotFoundError, NotADirectoryError):
        return False


def write(stamp: Path, value: str) -> None:
    """Note that the step succeeded; written last and in one move, so never by half a step."""
    stamp.parent.mkdir(parents=True, exist_ok=True)
    fresh = stamp.with_name(stamp.name + ".new")
    fresh.write_text(value, encoding="ascii")
    fresh.replace(stamp)
