"""Runs one socket's commands in the order in which they came."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from cable.channel import Channel
from cable.errors import StreamUnavailable, Unauthorized
from cable.protocol import Command, ProtocolError, answer, decode_object
from cable.subscription import Subscription

if TYPE_CHECKING:
    from cable.conf import CableSettings
    from cable.connection import AroundCommand, Connection
    from cable.hub import Hub

logger = logging.getLogger(__name__)

_Job = Callable[[], Awaitable[None]]


class CommandRunner:
    """The subscriptions of one socket and the queue of commands on them."""

    def __init__(
        self,
        connection: Connection,
        *,
        hub: Hub,
        settings: CableSettings,
        channels: Mapping[str, type[Channel]],
        around_command: AroundCommand,
    ) -> None:
        self._connection = connection
        self._hub = hub
        self._settings = settings
        self._channel_classes = channels
        self._around_command = around_command
        self._jobs: deque[tuple[_Job, int]] = deque()
        self._job_bytes = 0
        self._wake = asyncio.Event()
        self._ended = False
        self._worker: asyncio.Task[None] | None = None
        self._open: dict[str, tuple[Channel, Subscription]] = {}
        # Identifiers whose `subscribe` waits or runs. Clients repeat an unanswered subscribe.
        self._subscribing: set[str] = set()

    def start(self) -> None:
        self._worker = asyncio.create_task(self._work(), name="cable-commands")

    def put(self, command: Command, *, size: int) -> bool:
        """Queue a command of `size` bytes; False when too many wait already."""
        identifier = command.identifier
        job: _Job
        if command.command not in ("subscribe", "unsubscribe", "message"):
            logger.warning("%r sent the unknown command %.100r", self._connection, command.command)
            return True
        if identifier is None:
            logger.warning("%r sent %s without identifier", self._connection, command.command)
            return True
        if self._is_full(size):
            return False
        if command.command == "subscribe":
            if identifier in self._subscribing:
                return True
            self._subscribing.add(identifier)
            job = partial(self._subscribe, identifier)
        elif command.command == "unsubscribe":
            self._subscribing.discard(identifier)
            job = partial(self._unsubscribe, identifier)
        else:
            job = partial(self._perform, identifier, command.data)
        self._add(job, size)
        return True

    def discard(self) -> None:
        """Forget the commands that wait. The running one ends by itself."""
        self._jobs.clear()
        self._job_bytes = 0

    async def finish(self) -> None:
        """After the socket closed: run what came before, then each `unsubscribed`."""
        self._ended = True
        self._wake.set()
        if self._worker is not None:
            await asyncio.wait([self._worker], timeout=self._settings.teardown_timeout)
            if not self._worker.done():
                logger.error(
                    "%r: commands and `unsubscribed` took more than %s s; cancelled",
                    self._connection,
                    self._settings.teardown_timeout,
                )
                self._worker.cancel()
                await asyncio.wait([self._worker])
        for _, subscription in self._open.values():
            self._hub.leave_all(subscription)
        self._open.clear()

    def _is_full(self, size: int) -> bool:
        settings = self._settings
        return (
            len(self._jobs) >= settings.max_pending_commands
            or self._job_bytes + size > settings.max_pending_command_bytes
        )

    def _add(self, job: _Job, size: int) -> None:
        self._jobs.append((job, size))
        self._job_bytes += size
        self._wake.set()

    async def _work(self) -> None:
        while True:
            while self._jobs:
                job, size = self._jobs.popleft()
                self._job_bytes -= size
                await job()
            if self._ended:
                break
            self._wake.clear()
            await self._wake.wait()
        for identifier in list(self._open):
            await self._unsubscribe(identifier)

    async def _call(self, method: Callable[[], Awaitable[None]], *, within: float) -> None:
        """Run a channel's method inside `around_command`, which is not itself timed out."""
        try:
            async with self._around_command(self._connection):
                async with asyncio.timeout(within):
                    await method()
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # It awaited something that was cancelled elsewhere; our own task goes on.
            raise RuntimeError("something that the channel awaited was cancelled") from error

    async def _subscribe(self, identifier: str) -> None:
        try:
            # With the socket gone nobody hears the answer; what a client sent before it left
            # still counts for the other commands.
            if identifier not in self._open and not self._ended:
                await self._open_channel(identifier)
        finally:
            self._subscribing.discard(identifier)

    async def _open_channel(self, identifier: str) -> None:
        connection, settings = self._connection, self._settings
        if len(self._open) >= settings.max_subscriptions:
            return self._reject(identifier, f"more than {settings.max_subscriptions} subscriptions")
        try:
            params = decode_object(identifier, "identifier")
            name = params.pop("channel", None)
            channel_class = self._channel_classes[name]
        except ProtocolError as error:
            return self._reject(identifier, str(error))
        except (KeyError, TypeError):
            return self._reject(identifier, f"no channel is named {name!r:.100}")
        subscription = Subscription(
            identifier,
            push=connection.push,
            resync=partial(self._request_resync, identifier),
            on_overflow=connection.on_overflow,
            max_held_bytes=settings.max_pending_bytes,
        )
        subscription.hold()
        kept = False
        try:
            channel = channel_class(
                connection=connection, subscription=subscription, hub=self._hub, params=params
            )
            await self._call(channel.subscribed, within=settings.subscribe_timeout)
            if subscription.rejected:
                return self._reject(identifier, "the channel rejected it")
            self._open[identifier] = (channel, subscription)
            kept = True
            subscription.release(confirm=True)
        except Unauthorized as error:
            connection.disconnect(error.reason, reconnect=False)
        except StreamUnavailable as error:
            logger.warning("%r: %s; disconnected to reconnect", connection, error)
            connection.disconnect("stream_interrupted", reconnect=True)
        except Exception:
            logger.exception("%s.subscribed failed for %r", channel_class.__name__, connection)
            self._reject(identifier, "its `subscribed` failed")
        finally:
            if not kept:
                self._hub.leave_all(subscription)
                subscription.drop()

    def _reject(self, identifier: str, why: str) -> None:
        logger.warning("%r: subscription %.200s rejected: %s", self._connection, identifier, why)
        self._connection.push(answer("reject", identifier))

    async def _unsubscribe(self, identifier: str) -> None:
        if identifier not in self._open:
            logger.info("%r left %.200s without a subscription", self._connection, identifier)
            return
        channel, subscription = self._open.pop(identifier)
        self._hub.leave_all(subscription)
        subscription.drop()
        await self._guarded(channel.unsubscribed, "unsubscribed", channel)

    async def _perform(self, identifier: str, data: Any) -> None:
        if identifier not in self._open:
            logger.warning("%r sent a message to %.200s, not open", self._connection, identifier)
            return
        channel, _ = self._open[identifier]
        try:
            values = decode_object(data, "data")
        except ProtocolError as error:
            logger.warning("%r sent a message without effect: %s", self._connection, error)
            return
        name = values.get("action", "receive")
        takes_data = channel.cable_actions.get(name) if isinstance(name, str) else None
        if takes_data is None:
            logger.warning(
                "%r: %s has no action %.100r", self._connection, type(channel).__name__, name
            )
            return
        method = getattr(channel, name)
        await self._guarded(partial(method, values) if takes_data else method, name, channel)

    def _request_resync(self, identifier: str) -> None:
        self._add(partial(self._resync, identifier), 0)

    async def _resync(self, identifier: str) -> None:
        if identifier not in self._open or self._ended:
            return
        channel, subscription = self._open[identifier]
        subscription.hold()
        try:
            if not await self._guarded(channel.resync, "resync", channel):
                # The client's state may be wrong for ever; a new start is the only honest way.
                self._connection.disconnect("stream_interrupted", reconnect=True)
        finally:
            subscription.release()

    async def _guarded(
        self, method: Callable[[], Awaitable[None]], name: str, channel: Channel
    ) -> bool:
        """Run a method whose failure must not end the socket; True when it went through."""
        try:
            await self._call(method, within=self._settings.command_timeout)
        except Unauthorized as error:
            self._connection.disconnect(error.reason, reconnect=False)
        except StreamUnavailable as error:
            logger.warning("%r: %s; disconnected to reconnect", self._connection, error)
            self._connection.disconnect("stream_interrupted", reconnect=True)
        except Exception:
            logger.exception("%s.%s failed for %r", type(channel).__name__, name, self._connection)
        else:
            return True
        return False
