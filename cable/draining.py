"""Sending sockets away without a stampede."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cable.conf import CableSettings

if TYPE_CHECKING:
    from cable.connection import Connection

#: How often a socket that is busy is looked at again, seconds.
_AGAIN = 0.05
_moments = random.SystemRandom()


def retire_all(
    connections: Iterable[Connection], settings: CableSettings
) -> list[asyncio.TimerHandle]:
    """Retire each at its own moment of the drain window; their timers."""
    loop = asyncio.get_running_loop()
    # At random and not in order: sockets of one company or one page lie side by side.
    return [
        loop.call_later(_moments.uniform(0, settings.drain_window), _retire, connection, settings)
        for connection in connections
    ]


def _retire(connection: Connection, settings: CableSettings) -> None:
    """Tell it to reconnect once its commands are answered and no further one seems on its way.

    Clients close a subscription for good if the socket goes while its `subscribe` is unanswered.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + settings.subscribe_timeout

    def look() -> None:
        if connection.is_quiet(settings.drain_quiet) or loop.time() >= deadline:
            connection.disconnect("server_restart", reconnect=True)
        else:
            loop.call_later(_AGAIN, look)

    look()
