"""uvicorn that drains: `python -m cable.servers.uvicorn APP` with every option of uvicorn."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
import threading
from asyncio import TimerHandle
from importlib import import_module
from typing import Any

import uvicorn
import uvicorn.server
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from cable.conf import get_settings
from cable.hub import Hub
from cable.servers import state
from cable.servers.collector import tune_collector

logger = logging.getLogger(__name__)

#: For requests in flight after the drain, where `--timeout-graceful-shutdown` says nothing.
_HTTP_SECONDS = 10
#: The first byte of a pong.
_PONG = b"\x8a"
#: Of a message, so many times what the cable takes.
_GATHERED = 4
#: How often it is looked whether sockets have closed, seconds.
_AGAIN = 0.05


class WebSocket(WebSocketsSansIOProtocol):
    """A socket whose connection does not outlive its application, nor a handshake that failed.

    uvicorn closes the connection after the application, but only once everything is written: a
    peer that never reads would keep it, with all that waits for it, for ever. It leaves a request
    with too long a line unanswered and open. And it answers every ping of a peer that never reads.
    """

    _end: TimerHandle | None = None
    #: The answer to the newest ping of a peer that is behind (RFC 6455, 5.5.3: one is enough).
    _pong = b""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_complete:
            self.handshake_complete = self.close_sent = True
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
            return
        for frame in self.conn.data_to_send():
            if frame[:1] == _PONG:
                self._pong = frame
            else:
                self.transport.write(frame)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._pong and not self.transport.is_closing():
            pong, self._pong = self._pong, b""
            self.transport.write(pong)

    async def run_asgi(self) -> None:
        try:
            await super().run_asgi()
        finally:
            if not self.disconnected:
                self._end = self.loop.call_later(get_settings().close_timeout, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._end is not None:
            self._end.cancel()
        super().connection_lost(exc)


class Server(uvicorn.server.Server):
    """Drains the cable before it stops."""

    _drain: asyncio.Task[None] | None = None
    _sockets: list[socket.socket] | None = None

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        if threading.current_thread() is threading.main_thread():
            # uvicorn raises the signal once more at the end, for whoever handled it before.
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        super().run(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._sockets = sockets
        if self.config.timeout_graceful_shutdown is None:
            # uvicorn would wait for ever for a request that never ends.
            self.config.timeout_graceful_shutdown = _HTTP_SECONDS
        if self.config.ws_protocol_class is WebSocketsSansIOProtocol:
            self.config.ws_protocol_class = WebSocket
        # What is larger is not even gathered; the cable says why it refuses what is smaller.
        most = get_settings().max_message_bytes * _GATHERED
        self.config.ws_max_size = min(self.config.ws_max_size, most)
        await super().startup(sockets)
        tune_collector()

    async def on_tick(self, counter: int) -> bool:
        """Go on ticking, for the Date header, until the cable is drained."""
        if not await super().on_tick(counter):
            return False
        if self._drain is None:
            self._drain = asyncio.create_task(self._leave(), name="cable-drain")
        if self.force_exit:
            self._drain.cancel()
            return True
        return self._drain.done()

    async def _leave(self) -> None:
        try:
            settings = get_settings()
            state.begin()
            await asyncio.sleep(settings.drain_notice)
            for server in self.servers:
                server.close()
            for listening in self._sockets or []:
                listening.close()
            await Hub.current().drain()
            # What comes next would close a socket whose peer has not answered our close yet, and
            # one that is just being opened, with 1012.
            await self._sockets_closed(within=settings.close_timeout)
        except Exception:  # the process ends all the same
            logger.exception("the cable could not be drained")

    async def _sockets_closed(self, *, within: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        kind: Any = self.config.ws_protocol_class
        while any(isinstance(one, kind) for one in self.server_state.connections):
            if loop.time() >= deadline:
                return
            await asyncio.sleep(_AGAIN)


# uvicorn's command names its class itself. A worker of `--workers` imports this module but runs
# nothing of it, so this is done at import.
for _name in ("uvicorn.main", "uvicorn.supervisors.multiprocess"):
    import_module(_name).Server = Server  # type: ignore[attr-defined]

if __name__ == "__main__":
    sys.argv[0] = "uvicorn"  # the name in its help
    uvicorn.main()
