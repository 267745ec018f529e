"""The channel layer as the hub sees it, and a watch for lost connections under it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol, cast

from channels.layers import get_channel_layer
from django.core.exceptions import ImproperlyConfigured

logger = logging.getLogger(__name__)


class ChannelLayer(Protocol):
    """What we use of a Channels layer."""

    async def new_channel(self, prefix: str = ...) -> str: ...
    async def receive(self, channel: str) -> dict[str, Any]: ...
    async def group_add(self, group: str, channel: str) -> None: ...
    async def group_discard(self, group: str, channel: str) -> None: ...
    async def group_send(self, group: str, message: dict[str, Any]) -> None: ...


def find_layer(alias: str) -> ChannelLayer:
    """The layer of this alias.

    Raises:
        ImproperlyConfigured: CHANNEL_LAYERS has no such alias.
    """
    layer = get_channel_layer(alias)
    if layer is None:
        raise ImproperlyConfigured(f"CHANNEL_LAYERS has no layer {alias!r} (CABLE['layer'])")
    return cast(ChannelLayer, layer)


class ReconnectWatch:
    """Calls back when channels_redis' pub/sub layer connects anew.

    Redis' pub/sub forgets what was published while a subscriber was away, and the layer's own
    `on_reconnect` option is stored but never called. So this listens on redis-py's connection,
    which the layer keeps in private attributes; where they are missing (other layers, another
    release) the hub's probe alone notices outages, except very short ones.
    """

    def __init__(self, layer: ChannelLayer, on_reconnect: Callable[[], None]) -> None:
        self._layer = layer
        self._on_reconnect = on_reconnect
        self._watched: list[Any] = []

    def refresh(self) -> None:
        """Watch connections that the layer opened since the last call."""
        find = getattr(self._layer, "_get_layer", None)
        if find is None:
            return
        for shard in getattr(find(), "_shards", ()):
            connection = getattr(getattr(shard, "_pubsub", None), "connection", None)
            if connection is None or any(connection is known for known in self._watched):
                continue
            if not hasattr(connection, "register_connect_callback"):
                logger.warning("cannot watch %r for reconnects", connection)
                continue
            # redis-py keeps the callback weakly: it lives as long as this watch.
            connection.register_connect_callback(self._connected)
            self._watched.append(connection)

    def _connected(self, connection: object) -> None:
        self._on_reconnect()
