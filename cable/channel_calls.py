"""Calling a channel's methods so that nothing they do ends the socket by accident."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from cable.errors import StreamUnavailable, Unauthorized
from cable.stats import stats

if TYPE_CHECKING:
    from cable.channel import Channel
    from cable.conf import CableSettings
    from cable.connection import AroundCommand, Connection

logger = logging.getLogger(__name__)

Method = Callable[[], Awaitable[None]]


class ChannelCalls:
    """Runs methods inside `around_command`, in bounded time."""

    def __init__(
        self, connection: Connection, settings: CableSettings, around_command: AroundCommand
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._around_command = around_command

    async def call(self, method: Method, channel: Channel, *, command: str, within: float) -> None:
        """Run a method; `around_command` itself is not timed out. Raises what it raises."""
        name, started = type(channel).__name__, time.perf_counter()
        try:
            await self._call(method, command=command, within=within)
        except (Unauthorized, StreamUnavailable):
            raise  # the answer of a method that works
        except Exception:
            stats.method_errors[name, command] += 1
            raise
        finally:
            stats.observe_method(name, command, time.perf_counter() - started)

    async def _call(self, method: Method, *, command: str, within: float) -> None:
        try:
            async with self._around_command(self._connection, command):
                try:
                    async with asyncio.timeout(within) as bound:
                        await method()
                except TimeoutError as error:
                    if not bound.expired():
                        raise
                    raise TimeoutError(f"not done within {within:g} s") from error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # It awaited something that was cancelled elsewhere; our own task goes on.
            raise RuntimeError("something that the channel awaited was cancelled") from error

    async def guard(self, method: Method, name: str, channel: Channel, *, command: str) -> bool:
        """Run a method whose failure must not end the socket; True when it went through."""
        try:
            await self.call(method, channel, command=command, within=self._settings.command_timeout)
        except Unauthorized as error:
            self._connection.disconnect(error.reason, reconnect=False)
        except StreamUnavailable as error:
            await self.interrupted(error)
        except Exception:
            logger.exception("%s.%s failed for %r", type(channel).__name__, name, self._connection)
        else:
            return True
        return False

    async def interrupted(self, error: Exception) -> None:
        """Layer or store are away: the client must subscribe anew, and will.

        Returns when it was told so. Until then the channel's further commands wait.
        """
        logger.warning("%r: %s; disconnected to reconnect", self._connection, error)
        if self._connection.extended and not (self._connection.closing or self._connection.gone):
            # A client subscribes to all that it wants at once. The disconnect answers what has
            # come by then, and what is still on its way would never be answered.
            await asyncio.sleep(self._settings.drain_quiet)
        self._connection.disconnect("stream_interrupted", reconnect=True)
