"""Daphne that drains and waits for slow readers: `python -m cable.servers.daphne APP`.

It takes every option of Daphne.
"""

from __future__ import annotations

# First: it decides on the reactor, which other parts of Twisted would choose otherwise.
import daphne.server  # isort: skip

import asyncio
import logging
import signal
import sys
import threading
from collections.abc import Mapping
from typing import Any

from daphne.cli import CommandLineInterface
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred

from cable.conf import get_settings
from cable.hub import Hub
from cable.servers import state

logger = logging.getLogger(__name__)

reactor: Any = _reactor  # its types are those of interfaces, which mypy takes amiss
#: How often it is looked whether all is written, seconds.
_AGAIN = 0.05


class WriteGate:
    """Open while the connection takes data: what Twisted calls a push producer."""

    def __init__(self, protocol: Any) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._protocol = protocol
        # The newest ping of a peer that is behind (RFC 6455, 5.5.3: an answer to it is enough).
        self._ping: bytes | None = None
        protocol.onPing = self._answer
        transport = protocol.transport
        # The HTTP channel, which has no part in it any more since the upgrade.
        transport.unregisterProducer()
        transport.registerProducer(self, True)

    async def passed(self) -> None:
        """Return when what was written is with the kernel, but for less than 64 KiB."""
        await self._open.wait()

    def pauseProducing(self) -> None:
        self._open.clear()

    def resumeProducing(self) -> None:
        self._open.set()
        if (ping := self._ping) is not None:
            self._ping = None
            self._answer(ping)

    def _answer(self, ping: bytes) -> None:
        if not self._open.is_set():
            self._ping = ping
        elif self._protocol.state == self._protocol.STATE_OPEN:
            self._protocol.sendPong(ping)

    def stopProducing(self) -> None:
        self._open.set()


class Server(daphne.server.Server):  # type: ignore[misc]
    """Drains the cable before it stops; a `websocket.send` waits for a reader that is behind."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ports: list[Any] = []
        self._forced = asyncio.Event()

    # Write back-pressure.

    async def handle_reply(self, protocol: Any, message: Mapping[str, Any]) -> None:
        await super().handle_reply(protocol, message)
        details = self.connections.get(protocol)
        if details is None or "disconnected" in details:
            return
        if message["type"] == "websocket.accept":
            details["gate"] = WriteGate(protocol)
            # Autobahn's own second is too short for a peer that has much to read before the close.
            protocol.closeHandshakeTimeout = get_settings().close_timeout
        elif message["type"] == "websocket.send":
            await details["gate"].passed()

    def protocol_disconnected(self, protocol: Any) -> None:
        super().protocol_disconnected(protocol)
        gate = self.connections[protocol].get("gate")
        if gate is not None:
            gate.stopProducing()  # Autobahn may have taken it from the transport

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        queue = super().create_application(protocol, scope)
        if scope["type"] == "websocket" and queue is not None:
            task: asyncio.Task[None] = self.connections[protocol]["application_instance"]
            task.add_done_callback(lambda task: _end(protocol, task))
        return queue

    # The end.

    def listen_success(self, port: Any) -> None:
        self._ports.append(port)
        super().listen_success(port)

    def kill_all_applications(self) -> Deferred[None]:
        """Drain. Twisted calls it when it is asked to stop, and waits for what it returns."""
        if self.signal_handlers and threading.current_thread() is threading.main_thread():
            loop = asyncio.get_running_loop()

            def force(*_: Any) -> None:
                loop.call_soon_threadsafe(self._forced.set)

            signal.signal(signal.SIGINT, force)  # Twisted is deaf to a second Ctrl-C
        return Deferred.fromFuture(asyncio.ensure_future(self._leave()))

    async def _leave(self) -> None:
        drain = asyncio.create_task(self._drain(), name="cable-drain")
        forced = asyncio.create_task(self._forced.wait())
        await asyncio.wait({drain, forced}, return_when=asyncio.FIRST_COMPLETED)
        drain.cancel()
        forced.cancel()
        settings = get_settings()
        tasks = self._running()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=settings.teardown_timeout + settings.close_timeout)

    async def _drain(self) -> None:
        settings = get_settings()
        loop = asyncio.get_running_loop()
        try:
            state.begin()
            if self._ports:  # else it could not listen, and nobody is there
                await asyncio.sleep(settings.drain_notice)
            for port in self._ports:
                port.stopListening()
            await Hub.current().drain()
            deadline = loop.time() + settings.drain_timeout
            while (tasks := self._running()) and (left := deadline - loop.time()) > 0:
                await asyncio.wait(tasks, timeout=left)
            while reactor.getWriters():  # Twisted will drop what it has not written
                if loop.time() >= deadline:
                    break
                await asyncio.sleep(_AGAIN)
        except Exception:  # the process ends all the same
            logger.exception("the cable could not be drained")

    def _running(self) -> set[asyncio.Task[None]]:
        """Applications at work. Daphne keeps connections a while after theirs has ended."""
        tasks = (details.get("application_instance") for details in self.connections.values())
        return {task for task in tasks if task is not None and not task.done()}


def _end(protocol: Any, task: asyncio.Task[None]) -> None:
    """Cut a connection whose application ended without closing it: its peer does not read.

    Daphne would keep it. If the application failed, Daphne closes with 1011.
    """
    failed = not task.cancelled() and task.exception() is not None
    if protocol.state == protocol.STATE_OPEN and not failed:
        protocol.dropConnection(abort=True)


class Command(CommandLineInterface):  # type: ignore[misc]
    """Daphne's own command line."""

    server_class = Server


if __name__ == "__main__":
    Command().run(sys.argv[1:])
