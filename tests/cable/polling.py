"""Waiting for a condition on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

DUE = 2.0


async def until(condition: Callable[[], object]) -> None:
    """Return when the condition holds; TimeoutError after two seconds."""
    async with asyncio.timeout(DUE):
        while not condition():
            await asyncio.sleep(0.005)
