"""Uploads as the apps really send them, of people and vans that do not exist."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def payload(name: str) -> bytes:
    """A body, as it was sent."""
    return (FOLDER / f"{name}.json").read_bytes()


def osmand_requests() -> list[dict[str, Any]]:
    """OsmAnd's requests: `query` and `form` of each."""
    found: list[dict[str, Any]] = json.loads(payload("osmand"))
    return found
