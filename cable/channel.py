"""The class that applications derive their channels from."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from cable.conf import get_settings
from cable.protocol import encode_message

if TYPE_CHECKING:
    from cable.connection import Connection
    from cable.handshake import Identity
    from cable.hub import Hub
    from cable.subscription import Subscription

_Action = TypeVar("_Action", bound=Callable[..., Awaitable[None]])


def action(method: _Action) -> _Action:
    """Mark a coroutine method as callable by clients, under its own name.

    The method takes the decoded `data` (a dict that still has its `action` key), or nothing.
    `receive` is called for data without `action`. Nothing else of a channel can be called.
    """
    method._is_cable_action = True  # type: ignore[attr-defined]
    return method


class Channel:
    """One subscription of one client; lives from subscribe to unsubscribe or disconnect.

    Methods of one socket never run at the same time, so a channel may keep state on `self`.
    """

    #: Name → whether the method takes `data`. Filled for each subclass.
    cable_actions: ClassVar[dict[str, bool]] = {}

    def __init__(
        self,
        *,
        connection: Connection,
        subscription: Subscription,
        hub: Hub,
        params: dict[str, Any],
    ) -> None:
        self.connection = connection
        #: The identifier's object without its `channel` key. Unchecked: the client wrote it.
        self.params = params
        self._subscription = subscription
        self._hub = hub

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        actions = dict(cls.cable_actions)
        for name, value in vars(cls).items():
            if not getattr(value, "_is_cable_action", False):
                continue
            if not inspect.iscoroutinefunction(value):
                raise TypeError(f"{cls.__name__}.{name} must be `async def` to be an action")
            actions[name] = len(inspect.signature(value).parameters) > 1
        cls.cable_actions = actions

    @property
    def identity(self) -> Identity:
        return self.connection.identity

    # For subclasses to override.

    async def subscribed(self) -> None:
        """Authorise, call `stream_from`, then transmit a first state.

        The client sees the confirmation first, then what was transmitted here, then what
        arrived on the streams meanwhile. An exception rejects the subscription.
        """

    async def unsubscribed(self) -> None:
        """The client left or its socket closed. Not called after a rejection."""

    async def resync(self) -> None:
        """Messages of a stream may have been lost (the layer was away): transmit a new state.

        Messages that arrive meanwhile follow it. A channel that cannot tell its state anew
        keeps this default, which lets the client reconnect and subscribe again.
        """
        self.connection.disconnect("stream_interrupted", reconnect=True)

    # For subclasses to call.

    async def stream_from(self, stream: str) -> None:
        """Send this client every message broadcast to `stream` from now on.

        On return the stream is live: a state read after it misses nothing.

        Raises:
            ValueError: not a valid name of a stream.
            StreamUnavailable: the channel layer is down.
        """
        await self._hub.join(stream, self._subscription)

    def stop_stream(self, stream: str) -> None:
        """Stop one stream; nothing of it is sent from here on."""
        self._hub.leave(stream, self._subscription)

    def stop_all_streams(self) -> None:
        self._hub.leave_all(self._subscription)

    def transmit(self, message: object) -> None:
        """Send a message to this client alone.

        Raises:
            ValueError: the message is false in JavaScript, where clients drop it, or too large.
            TypeError: it has no JSON form.
        """
        max_bytes = get_settings().max_payload_bytes
        self._subscription.transmit(encode_message(message, max_bytes=max_bytes))

    def reject(self) -> None:
        """Refuse the subscription. Only in `subscribed`; what it transmitted is dropped."""
        self._subscription.rejected = True
