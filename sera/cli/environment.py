"""The environment variables that Sera's processes get."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from sera.cli.console import CommandError
from sera.cli.paths import CACHE, DATA, ROOT

# Sockets that programs make among their temporary files may have a path of 107 characters at
# most; this leaves them half. A clone that is deeper uses the system's folder.
_LONGEST_TMPDIR = 54

# Every cache that our tools would put under the home directory or /tmp.
_CACHES = {
    "PIP_CACHE_DIR": "pip",
    "npm_config_cache": "npm",
    "NODE_COMPILE_CACHE": "node",
    "XDG_CACHE_HOME": "xdg",
}


# What sera.env asks of SECRET_KEY.
_SHORTEST_KEY = 32


def tool_environment() -> dict[str, str]:
    """Return our environment with caches and temporary files moved into the clone.

    What the user set for pip and npm (indexes, proxies, certificates) stays in force.
    """
    caches = {name: str(CACHE / folder) for name, folder in _CACHES.items()}
    quiet = {
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "npm_config_update_notifier": "false",
        "npm_config_fund": "false",
        "npm_config_audit": "false",
    }
    if not (Path.home() / ".rustup").exists():
        # pip asks `rustc` for its version, and rustup's would make that folder to answer.
        caches["RUSTUP_HOME"] = str(CACHE / "rustup")
    return {**os.environ, **caches, **temporary_files(), **quiet, "PYTHONUNBUFFERED": "1"}


def temporary_files(folder: Path = DATA / "tmp") -> dict[str, str]:
    """Return TMPDIR within the clone; nothing if the clone's path is too long for sockets."""
    if len(str(folder)) > _LONGEST_TMPDIR:
        return {}
    folder.mkdir(parents=True, exist_ok=True)
    return {"TMPDIR": str(folder)}


def read_dotenv(path: Path) -> dict[str, str]:
    """Return the variables of a `.env` file: `NAME=value` lines, `#` comments, quotes, `export`.

    Raises:
        CommandError: a line has another form; the text names its number.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    values: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.removeprefix("export ").partition("=")
        if not equals or not name.strip().isidentifier():
            raise CommandError(f"{path}, line {number}: {text!r} should read NAME=value")
        values[name.strip()] = _unquoted(value.strip())
    return values


def settings(environ: Mapping[str, str], dotenv: Mapping[str, str]) -> dict[str, str]:
    """Return what the person set, an empty value counting as not set; the environment wins."""
    return {name: value for name, value in {**dotenv, **environ}.items() if value}


def user_settings() -> dict[str, str]:
    """Return `settings` of this process and of `.env` at the root."""
    return settings(os.environ, read_dotenv(ROOT / ".env"))


def secret_key(path: Path = DATA / "secret_key") -> str:
    """Return the key that signs sessions and tokens of this clone, made at the first call.

    Raises:
        CommandError: the file is damaged.
    """
    if path.exists():
        key = path.read_text(encoding="ascii", errors="replace")
        if len(key) < _SHORTEST_KEY:
            raise CommandError(
                f"{path} is damaged: it holds {len(key)} characters, not {_SHORTEST_KEY} or more. "
                "Delete it to get a new key; everybody then signs in again"
            )
        return key
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with open(
        fresh, "x", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)
    ) as f:
        f.write(secrets.token_urlsafe(48))
    fresh.replace(path)
    return path.read_text(encoding="ascii")


def _unquoted(value: str) -> str:
    for quote in ("'", '"'):
        if value.startswith(quote) and value.find(quote, 1) > 0:
            return value[1 : value.index(quote, 1)]
    return value.split(" #", 1)[0].rstrip()
