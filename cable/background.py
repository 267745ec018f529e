"""Work that goes on as long as the process serves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

#: From a failure to the next try, seconds.
_AGAIN = 1.0


def keep_running(work: Callable[[], Awaitable[None]], name: str) -> asyncio.Task[None]:
    """A task that does `work` until it is cancelled, and anew when it fails.

    What outages raise is dealt with in `work`. What comes here is a defect; without the loop the
    sockets would be served on, but for what it does, and nobody would notice.
    """
    return asyncio.create_task(_keep_running(work, name), name=name)


async def _keep_running(work: Callable[[], Awaitable[None]], name: str) -> None:
    while True:
        try:
            await work()
        except Exception:
            logger.exception("%s failed; it begins anew", name)
        await asyncio.sleep(_AGAIN)
