"""Waiting for a condition."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

DEADLINE = 10.0


async def wait_for(condition: Callable[[], object], *, within: float = DEADLINE) -> None:
    """Return when the condition holds; AssertionError after `within` seconds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        await asyncio.sleep(0.02)
