"""Where things are. Everything that `./dev` writes is below the repository's root."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = ROOT / ".data"
LOGS = DATA / "logs"
CACHE = DATA / "cache"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
FRONTEND = ROOT / "frontend"
# The npm packages of the cable's official clients, which the conformance tests drive.
CABLE_CLIENTS = ROOT / "tests" / "conformance" / "clients"
