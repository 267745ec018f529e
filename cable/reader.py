"""What a socket's client sends, as it comes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cable import protocol
from cable.close_codes import MESSAGE_TOO_BIG, POLICY_VIOLATION, UNSUPPORTED_DATA
from cable.limits import TokenBucket
from cable.protocol import ProtocolError
from cable.stats import stats

if TYPE_CHECKING:
    from cable.commands import CommandRunner
    from cable.conf import CableSettings
    from cable.connection import Connection

logger = logging.getLogger(__name__)


class Reader:
    """Checks each frame's form, size and rate, and passes commands on."""

    def __init__(
        self, connection: Connection, commands: CommandRunner, settings: CableSettings
    ) -> None:
        self._connection = connection
        self._commands = commands
        self._max_bytes = settings.max_message_bytes
        self._rate = TokenBucket(settings.commands_per_second, burst=settings.command_burst)
        #: When the client sent something last, by the loop's clock.
        self.heard_at = 0.0

    def take(self, event: Mapping[str, Any]) -> None:
        """Take a `websocket.receive` event; never waits."""
        self.heard_at = asyncio.get_running_loop().time()
        text = event.get("text")
        if text is None:
            self._refuse("a binary frame; send JSON text", code=UNSUPPORTED_DATA)
            return
        frame = text.encode()
        if len(frame) > self._max_bytes:
            self._refuse(f"{len(frame)} bytes; at most {self._max_bytes}", code=MESSAGE_TOO_BIG)
            return
        stats.bytes_received += len(frame)
        in_rate = self._rate.take(self.heard_at)
        try:
            command = protocol.decode_command(frame)
        except ProtocolError as error:
            stats.commands_refused += 1
            if in_rate:
                logger.warning("%r sent a frame that is no command: %s", self._connection, error)
            else:
                self._refuse_flood("more commands a second than allowed")
            return
        if not in_rate:
            self._commands.refuse(command)
            self._refuse_flood("more commands a second than allowed")
        elif not self._commands.put(command, size=len(frame)):
            self._commands.refuse(command)
            self._refuse_flood("more commands than wait here")

    def _refuse(self, why: str, *, code: int) -> None:
        logger.warning("%r sent %s; disconnected", self._connection, why)
        self._connection.disconnect("invalid_request", reconnect=False, code=code)

    def _refuse_flood(self, why: str) -> None:
        logger.warning("%r sent %s; disconnected", self._connection, why)
        # It may come back: an honest client emptied a long outbox at once.
        self._connection.disconnect("too_many_commands", reconnect=True, code=POLICY_VIOLATION)
