"""Sending to streams from anywhere: views, tasks, commands, coroutines."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import logging
import os
import threading
from collections.abc import Mapping
from functools import partial

from django.db import transaction

from cable import envelope
from cable.conf import get_settings
from cable.conflation import State
from cable.envelope import Event
from cable.handshake import check_identity_key
from cable.hub import forget_hubs, serving_loop
from cable.keyed_state import check_states
from cable.protocol import encode_message
from cable.sender import current_sender, forget_senders
from cable.stats import stats
from cable.streams import check_stream

logger = logging.getLogger(__name__)


def broadcast(stream: str, message: object, *, using: str | None = None, exclude: str = "") -> None:
    """Send a message to all subscribers of a stream, after the current transaction commits.

    Outside of a transaction of the database `using` it is sent now. While the layer is away, a
    message to a stream with history waits for it; one that is lost all the same is logged and
    its stream's subscribers take a new state. That is never raised: the work that the message
    tells of is done. The socket whose `connection.sid` is `exclude` gets no live copy.

    Raises:
        ValueError: a bad name of a stream; a message that is false in JavaScript or too large.
        TypeError: a message that has no JSON form.
        RuntimeError: called on an event loop, which it would block; use `abroadcast`.
    """
    _send_after_commit(_message(stream, message, exclude), using)


async def abroadcast(stream: str, message: object, *, exclude: str = "") -> None:
    """Send a message to all subscribers of a stream now; raises like `broadcast`."""
    await current_sender().send(_message(stream, message, exclude))


def broadcast_state(stream: str, changes: Mapping[str, State], *, using: str | None = None) -> None:
    """Change keys of a conflated stream, after the current transaction commits.

    Each subscriber gets the latest of each key, as fast as it can take it. A value of None
    removes its key. Raises like `broadcast`.
    """
    _send_after_commit(_state(stream, changes), using)


async def abroadcast_state(stream: str, changes: Mapping[str, State]) -> None:
    """Change keys of a conflated stream now; raises like `broadcast`."""
    await current_sender().send(_state(stream, changes))


def disconnect_identity(key: str, *, reconnect: bool = True, using: str | None = None) -> None:
    """Close every socket of this identity in all processes, after the transaction commits."""
    check_identity_key(key)
    _send_after_commit(envelope.disconnect(key, reconnect=reconnect), using)


async def adisconnect_identity(key: str, *, reconnect: bool = True) -> None:
    """Close every socket of this identity in all processes now."""
    check_identity_key(key)
    await current_sender().send(envelope.disconnect(key, reconnect=reconnect))


def flush_broadcasts() -> None:
    """Wait, within `broadcast_exit_timeout`, until what synchronous code sent is sent.

    It runs when the interpreter exits. Call it where a process ends otherwise (a worker's child).
    """
    _bridge.flush()


def _message(stream: str, message: object, exclude: str) -> Event:
    encoded = encode_message(message, max_bytes=get_settings().max_payload_bytes)
    return envelope.message(check_stream(stream), encoded, exclude=exclude)


def _state(stream: str, changes: Mapping[str, State]) -> Event:
    check_states(changes, f"changes of {stream!r:.200}")
    encoded = encode_message(
        [(key, state.version, state.value) for key, state in changes.items()],
        max_bytes=get_settings().max_payload_bytes,
    )
    return envelope.state(check_stream(stream), encoded)


def _send_after_commit(event: Event, using: str | None) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        what = event.get("stream", event.get("identity"))
        raise RuntimeError(
            f"a send for {what!r} was called on an event loop, which it would block: there, "
            "`await abroadcast(…)`, `abroadcast_state` or `adisconnect_identity`"
        )
    # Asked first because `on_commit` opens a database connection to learn of autocommit.
    if transaction.get_connection(using).in_atomic_block:
        transaction.on_commit(partial(_bridge.send, event), using=using)
    else:
        _bridge.send(event)


class _Bridge:
    """Runs sends of synchronous code on a loop that lives as long as the process.

    That is the hub's loop where one serves, else one of a daemon thread: a loop per call would
    open a connection to the broker each time and leave it behind.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pending = 0

    def send(self, event: Event) -> None:
        settings = get_settings()
        with self._lock:
            if self._pending >= settings.max_pending_broadcasts:
                # The loop does not come round any more: there is no way to tell anybody.
                logger.error("a broadcast was lost: %d threads wait already", self._pending)
                stats.broadcasts_lost += 1
                return
            self._pending += 1
            loop = serving_loop() or self._own_loop()
        future = self._start(event, loop)
        future.add_done_callback(self._done)
        try:
            # The sender has the same bound; the second more is for a loop that is busy.
            future.result(settings.broadcast_timeout + 1)
        except TimeoutError:
            # It is not cancelled: the loop sends it when it comes round again.
            logger.warning("a broadcast is late: the event loop is busy")
        except concurrent.futures.CancelledError:
            logger.warning("a broadcast was lost: the event loop ended")
            stats.broadcasts_lost += 1

    def _start(
        self, event: Event, loop: asyncio.AbstractEventLoop
    ) -> concurrent.futures.Future[None]:
        sending = _send(event)
        try:
            return asyncio.run_coroutine_threadsafe(sending, loop)
        except RuntimeError:  # the server's loop was closed a moment ago
            sending.close()
            with self._lock:
                loop = self._own_loop()
            return asyncio.run_coroutine_threadsafe(_send(event), loop)

    def flush(self) -> None:
        if self._loop is None or not self._loop.is_running():
            return
        within = get_settings().broadcast_exit_timeout
        future = asyncio.run_coroutine_threadsafe(_flush(within), self._loop)
        try:
            future.result(within + 1)
        except (TimeoutError, concurrent.futures.CancelledError):
            logger.warning("broadcasts may be lost: their event loop does not answer")

    def _done(self, future: concurrent.futures.Future[None]) -> None:
        with self._lock:
            self._pending -= 1

    def _own_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(
                target=self._loop.run_forever, name="cable-broadcast", daemon=True
            ).start()
        return self._loop


async def _send(event: Event) -> None:
    await current_sender().send(event)


async def _flush(within: float) -> None:
    await current_sender().flush(within)


_bridge = _Bridge()


def _start_anew() -> None:
    """In a forked child (a Celery worker) the parent's thread and loops do not run."""
    global _bridge
    _bridge = _Bridge()
    forget_hubs()
    forget_senders()


os.register_at_fork(after_in_child=_start_anew)
atexit.register(flush_broadcasts)
