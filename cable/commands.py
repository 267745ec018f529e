"""What a client may ask for, and which of it has an answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Set
from functools import partial
from typing import TYPE_CHECKING

from cable import protocol
from cable.command_queue import CommandQueue, Job
from cable.open_channels import OpenChannels
from cable.protocol import Command
from cable.stats import stats

if TYPE_CHECKING:
    from cable.connection import Connection

logger = logging.getLogger(__name__)


class CommandRunner:
    """Turns a socket's commands into jobs of its queue."""

    def __init__(self, connection: Connection, channels: OpenChannels, queue: CommandQueue) -> None:
        self._connection = connection
        self._channels = channels
        self._queue = queue
        # Identifiers whose `subscribe` waits or runs, each with what names the newest. Clients
        # repeat an unanswered subscribe.
        self._subscribing: dict[str, object] = {}
        # Likewise those whose `unsubscribe` waits or runs, with no `subscribe` behind it.
        self._leaving: dict[str, object] = {}
        # Commands that take an identifier, and those of them that only extended clients have.
        self._jobs: dict[str, Callable[[str, Command], Job]] = {
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "message": lambda identifier, c: partial(channels.perform, identifier, c.data),
            "whisper": lambda identifier, c: partial(channels.whisper, identifier, c.data),
        }
        if connection.extended:
            self._jobs |= {
                "history": self._history,
                "join": lambda identifier, c: partial(channels.join, identifier, c.presence),
                "leave": lambda identifier, c: partial(channels.leave, identifier),
                "presence": lambda identifier, c: partial(channels.present, identifier, c.data),
            }

    def leaving(self) -> Set[str]:
        """Identifiers that the client has left, which may be open still."""
        return self._leaving.keys()

    def unanswered(self) -> list[str]:
        """Identifiers whose `subscribe` was read and is not answered yet."""
        return list(self._subscribing)

    def put(self, command: Command, *, size: int) -> bool:
        """Queue a command of `size` bytes; False when too many wait already."""
        connection, name = self._connection, command.command
        if connection.extended and name in ("ping", "pong"):
            if name == "ping":
                connection.push(protocol.pong())
            return True
        make_job = self._jobs.get(name)
        if make_job is None:
            stats.commands_refused += 1
            logger.warning("%r sent the unknown command %.100r", connection, name)
            return True
        if command.identifier is None:
            stats.commands_refused += 1
            logger.warning("%r sent %s without identifier", connection, name)
            return True
        if self._queue.is_full(size):
            return False
        stats.commands[name] += 1
        if name == "subscribe" and self._is_answered(command.identifier):
            return True
        self._queue.put(make_job(command.identifier, command), size, key=command.identifier)
        return True

    def refuse(self, command: Command) -> None:
        """Of a command that is not taken, because the socket is closed for it."""
        identifier = command.identifier
        if command.command == "subscribe" and identifier and not self._is_answered(identifier):
            self._subscribing[identifier] = object()

    def _is_answered(self, identifier: str) -> bool:
        """Whether a further `subscribe` is no news: it is open, or will be answered."""
        return identifier in self._subscribing or (
            self._channels.is_open(identifier) and identifier not in self._leaving
        )

    def _subscribe(self, identifier: str, command: Command) -> Job:
        name = self._subscribing[identifier] = object()
        self._leaving.pop(identifier, None)

        def on_answer() -> None:
            if self._subscribing.get(identifier) is name:  # else it left and asked again
                del self._subscribing[identifier]

        async def job() -> None:
            try:
                # With the socket gone nobody hears the answer; what a client sent before it
                # left still counts for the other commands.
                if not self._queue.ended:
                    await self._channels.subscribe(
                        identifier,
                        history=command.history,
                        presence=command.presence,
                        on_answer=on_answer,
                    )
            finally:
                on_answer()

        return job

    def _history(self, identifier: str, command: Command) -> Job:
        self._channels.note_request(identifier)
        return partial(self._channels.replay, identifier, command.history)

    def _unsubscribe(self, identifier: str, command: Command) -> Job:
        self._subscribing.pop(identifier, None)
        name = self._leaving[identifier] = object()

        async def job() -> None:
            await self._channels.unsubscribe(identifier)
            if self._leaving.get(identifier) is name:
                del self._leaving[identifier]

        return job
