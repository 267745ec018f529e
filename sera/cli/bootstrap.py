"""The Python side of a bare machine: `.venv` with the pinned requirements."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from sera.cli import stamps
from sera.cli.console import CommandError, run_step
from sera.cli.environment import tool_environment
from sera.cli.locks import exclusive
from sera.cli.paths import DATA, LOGS, PYTHON, ROOT, VENV

RUNTIME = ROOT / "requirements.txt"
DEVELOPMENT = ROOT / "requirements-dev.txt"  # a superset of the former

_PROBE_SECONDS = 30


def in_venv() -> bool:
    """Whether this very process runs the clone's own Python."""
    return Path(sys.prefix).resolve() == VENV.resolve()


def ensure_python(*, development: bool) -> None:
    """Make `.venv` and install what is pinned, unless that is already so.

    Raises:
        CommandError: this Python cannot make one, or an installation failed.
    """
    DATA.mkdir(exist_ok=True)
    with exclusive(DATA / "bootstrap.lock", wait=True):
        version = venv_version()
        if version is None:
            _make_venv()
            version = venv_version()
            if version is None:
                raise CommandError(f"{PYTHON} does not run; remove {VENV} and try again")
        _install(DEVELOPMENT if development else RUNTIME, version)


def venv_version() -> str | None:
    """Return the version of the clone's Python; None if it is missing, broken or has no pip."""
    if in_venv():
        return sys.version
    probe = [str(PYTHON), "-c", "import pip, sys; print(sys.version)"]
    try:
        result = subprocess.run(
            probe, capture_output=True, text=True, check=False, timeout=_PROBE_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.removesuffix("\n") if result.returncode == 0 else None


def enter_venv(argv: list[str]) -> None:
    """Continue as the clone's own Python, which has the requirements; returns if we are it."""
    if not in_venv():
        os.execv(PYTHON, [str(PYTHON), str(ROOT / "dev"), *argv])  # noqa: S606  (nothing to quote)


def is_installed(requirements: Path, version: str) -> bool:
    """Whether `.venv` has what this file pins, for this Python.

    What development pins includes all that running needs.
    """
    return any(
        stamps.is_current(_stamp(each), stamps.digest([each], version))
        for each in {requirements, DEVELOPMENT}
    )


def _make_venv() -> None:
    if not all(importlib.util.find_spec(module) for module in ("venv", "ensurepip")):
        raise CommandError(
            f"The Python at {sys.executable} comes without venv and pip. "
            "On Debian or Ubuntu: apt install python3-venv; elsewhere install a full Python"
        )
    command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    run_step("Making .venv", command, log=LOGS / "venv.log", env=tool_environment(), cwd=ROOT)


def _install(requirements: Path, version: str) -> None:
    if is_installed(requirements, version):
        return
    run_step(
        f"Installing {requirements.name}",
        [str(PYTHON), "-m", "pip", "install", "--no-input", "-r", str(requirements)],
        log=LOGS / "pip.log",
        env=tool_environment(),
        cwd=ROOT,
    )
    stamps.write(_stamp(requirements), stamps.digest([requirements], version))


def _stamp(requirements: Path) -> Path:
    return VENV / f"{requirements.stem}.stamp"
