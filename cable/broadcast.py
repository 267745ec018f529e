"""Sending to streams from anywhere: views, tasks, commands, coroutines."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import os
import threading
from functools import partial

from django.db import transaction

from cable import envelope
from cable.conf import get_settings
from cable.envelope import Event
from cable.hub import forget_hubs, serving_loop
from cable.layer import find_layer
from cable.protocol import encode_message
from cable.streams import CONTROL_GROUP, check_stream, group_name

logger = logging.getLogger(__name__)


def broadcast(stream: str, message: object, *, using: str | None = None) -> None:
    """Send a message to all subscribers of a stream, after the current transaction commits.

    Outside of a transaction of the database `using` it is sent now, and on return the layer
    has it. A layer that fails is logged, never raised: the work that it tells of is done.

    Raises:
        ValueError: a bad name of a stream; a message that is false in JavaScript or too large.
        TypeError: a message that has no JSON form.
        RuntimeError: called on an event loop, which it would block; use `abroadcast`.
    """
    event = _encode(stream, message)
    _send_after_commit(group_name(stream), event, using)


async def abroadcast(stream: str, message: object) -> None:
    """Send a message to all subscribers of a stream now.

    Like `broadcast`, it raises for what the caller got wrong and logs a layer that fails.
    """
    event = _encode(stream, message)
    await _asend(group_name(stream), event)


def disconnect_identity(key: str, *, reconnect: bool = True, using: str | None = None) -> None:
    """Close every socket of this identity in all processes, after the transaction commits."""
    _send_after_commit(CONTROL_GROUP, envelope.disconnect(key, reconnect=reconnect), using)


async def adisconnect_identity(key: str, *, reconnect: bool = True) -> None:
    """Close every socket of this identity in all processes now."""
    await _asend(CONTROL_GROUP, envelope.disconnect(key, reconnect=reconnect))


def _encode(stream: str, message: object) -> Event:
    encoded = encode_message(message, max_bytes=get_settings().max_payload_bytes)
    return envelope.message(check_stream(stream), encoded)


def _send_after_commit(group: str, event: Event, using: str | None) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise RuntimeError("called on an event loop, which it would block: use the async form")
    # Asked first because `on_commit` opens a database connection to learn of autocommit.
    if transaction.get_connection(using).in_atomic_block:
        transaction.on_commit(partial(_sender.send, group, event), using=using)
    else:
        _sender.send(group, event)


async def _asend(group: str, event: Event) -> None:
    settings = get_settings()
    try:
        async with asyncio.timeout(settings.broadcast_timeout):
            await find_layer(settings.layer).group_send(group, event)
    except Exception as error:  # each layer and client raises its own
        _log_lost(group, error)


def _log_lost(group: str, error: BaseException) -> None:
    """Without a trace: in an outage there is one line for every broadcast."""
    logger.error("a broadcast to group %s was lost: %r", group, error)


class _Sender:
    """Runs sends of synchronous code on a loop that lives as long as the process.

    That is the hub's loop where one serves, else one of a daemon thread: a loop per call would
    open a connection to the broker each time and leave it behind.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pending = 0

    def send(self, group: str, event: Event) -> None:
        settings = get_settings()
        with self._lock:
            if self._pending >= settings.max_pending_broadcasts:
                logger.error(
                    "a broadcast to group %s was lost: %d wait already", group, self._pending
                )
                return
            self._pending += 1
            loop = serving_loop() or self._own_loop()
        try:
            future = asyncio.run_coroutine_threadsafe(_asend(group, event), loop)
            try:
                # `_asend` has the same bound; the second more is for a loop that is busy.
                future.result(settings.broadcast_timeout + 1)
            except (TimeoutError, concurrent.futures.CancelledError) as error:
                future.cancel()
                _log_lost(group, error)
        finally:
            with self._lock:
                self._pending -= 1

    def _own_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(
                target=self._loop.run_forever, name="cable-broadcast", daemon=True
            ).start()
        return self._loop


_sender = _Sender()


def _start_anew() -> None:
    """In a forked child (a Celery worker) the parent's thread and loops do not run."""
    global _sender
    _sender = _Sender()
    forget_hubs()


os.register_at_fork(after_in_child=_start_anew)
