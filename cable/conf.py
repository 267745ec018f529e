"""The cable's settings: the dict `CABLE` of Django's settings, typed, with defaults."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any

import msgspec
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

Seconds = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class CableSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Bounds and timers. Times are seconds, sizes are bytes."""

    #: Alias in CHANNEL_LAYERS.
    layer: str = "default"

    #: A larger command closes the socket. AnyCable's default; commands are small.
    max_message_bytes: Count = 64 * 1024
    #: Subscriptions of one socket; a further one is rejected. A page needs a handful.
    max_subscriptions: Count = 100
    #: Commands read but not yet processed; beyond it the socket is closed. Room for a client
    #: that resubscribes everything and empties its outbox at once after a reconnect.
    max_pending_commands: Count = 1000
    #: The same in bytes, so that one socket cannot hold 1000 commands of 64 KiB.
    max_pending_command_bytes: Count = 1024 * 1024
    #: One message to clients, encoded. Daphne drops a frame of more than 1 MiB without a word;
    #: this leaves room for the largest identifier (which came in a command).
    max_payload_bytes: Count = 960 * 1024
    #: Frames waiting for a slow reader; beyond it `too_slow` and reconnect. AnyCable's default.
    max_pending_bytes: Count = 1024 * 1024

    #: Clients are stale after 6 s without a frame (2 x 3 s), so do not raise it alone.
    ping_interval: Seconds = 3.0
    #: Clients give up waiting for `welcome` after 6 s without a frame.
    authenticate_timeout: Seconds = 4.0
    #: Clients expect the answer to a subscribe within 5 s.
    subscribe_timeout: Seconds = 4.0
    #: Actions, `unsubscribed` and `resync`; while one runs, the socket's next command waits.
    command_timeout: Seconds = 10.0
    #: From the disconnect frame to giving up on a peer that does not answer the close.
    close_timeout: Seconds = 5.0
    #: All of a closed socket's `unsubscribed` together; Daphne kills the application at 10 s.
    teardown_timeout: Seconds = 8.0
    #: `drain()` waits this long for sockets to close.
    drain_timeout: Seconds = 10.0

    #: One join of a group, seen to work. Shorter than `subscribe_timeout`, so that a layer that
    #: is down is told apart from a slow channel.
    layer_timeout: Seconds = 2.0
    #: A message through the layer to ourselves. Two that go missing and a repair stay under 10 s.
    probe_interval: Seconds = 2.0
    #: How long `broadcast()` may hold its caller when the layer does not answer.
    broadcast_timeout: Seconds = 2.0
    #: Threads of one process inside `broadcast()`; beyond it the message is dropped and logged.
    max_pending_broadcasts: Count = 1000


@lru_cache(maxsize=1)
def get_settings() -> CableSettings:
    """The settings of this process.

    Raises:
        ImproperlyConfigured: a key of CABLE is unknown or its value has the wrong type.
    """
    value = getattr(settings, "CABLE", {})
    try:
        return msgspec.convert(value, CableSettings)
    except msgspec.ValidationError as error:
        raise ImproperlyConfigured(f"CABLE = {value!r}: {error}") from error


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "CABLE":
        get_settings.cache_clear()


setting_changed.connect(_forget)
