"""The class that applications derive their channels from."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from cable.conf import get_settings
from cable.conflation import Filter, Load
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

    Its methods never run at the same time, so it may keep state on `self`. Those of a socket's
    other channels may, once one of them takes long.
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
        for name in ("subscribed", "unsubscribed", "resync"):
            if not inspect.iscoroutinefunction(getattr(cls, name)):
                raise TypeError(f"{cls.__name__}.{name} must be `async def`")
        if inspect.iscoroutinefunction(cls.presence_of):
            raise TypeError(f"{cls.__name__}.presence_of must not be `async def`")
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

    def presence_of(self, id: str, info: Any) -> tuple[str, Any] | None:  # noqa: A002
        """Under which id and info a client is present that asks for these; None refuses it.

        The default believes the client. Where an id means a person, answer with your own.
        """
        return id, info

    # For subclasses to call.

    async def stream_from(
        self, stream: str, *, whisper: bool = False, presence: bool = False
    ) -> None:
        """Send this client every message broadcast to `stream` from now on.

        On return the stream is live: a state read after it misses nothing. With `whisper` the
        client may send messages of its own to the other subscribers; with `presence` it may be
        present, under an id and info of its choice unless `presence_of` decides.

        Raises:
            ValueError: not a valid name of a stream.
            StreamUnavailable: the channel layer or the store is down.
        """
        await self._hub.streams.join(stream, self._subscription)
        if whisper:
            self._subscription.whisper_stream = stream
        if presence:
            self._subscription.presence_stream = stream
            self._hub.presence.watch(self._subscription)

    async def stream_state(self, stream: str, *, load: Load, only: Filter | None = None) -> None:
        """Send this client the state of a conflated stream, then what changes, latest first.

        `load` reads the whole state (key → version and value), once for all local subscribers
        and again after this one has left: it must depend on the stream alone, not on `self`.
        `only` admits values that this client sees; without it, all. Equal filters share frames.

        Raises:
            ValueError: not a valid name of a stream, or one that is not conflated.
            StreamUnavailable: the channel layer is down.
        """
        await self._hub.streams.join_conflated(stream, self._subscription, load=load, only=only)

    def show_only(self, stream: str, only: Filter | None) -> None:
        """Change what this client sees of a conflated stream; it gets its new view at once.

        Raises:
            ValueError: the stream was not subscribed with `stream_state`.
        """
        self._hub.streams.show_only(stream, self._subscription, only)

    async def join_presence(self, id: str, info: object = None) -> None:  # noqa: A002
        """Make this client present on the stream that was joined with `presence`.

        Raises:
            ValueError: id or info are not possible, or there is no such stream.
            TypeError: the info has no JSON form.
        """
        await self._hub.presence.join_as(self._subscription, id, info)

    async def leave_presence(self) -> None:
        await self._hub.presence.leave(self._subscription)

    def stop_stream(self, stream: str) -> None:
        """Stop one stream; nothing of it is sent from here on."""
        self._hub.streams.leave(stream, self._subscription)
        if self._subscription.whisper_stream == stream:
            self._subscription.whisper_stream = None
        if self._subscription.presence_stream == stream:
            self._subscription.presence_stream = None

    def stop_all_streams(self) -> None:
        for stream in list(self._subscription.streams):
            self.stop_stream(stream)

    def transmit(self, message: object) -> None:
        """Send a message to this client alone.

        Raises:
            ValueError: the message is false in JavaScript, where clients drop it, or too large.
            TypeError: it has no JSON form.
        """
        max_bytes = get_settings().max_payload_bytes
        self._subscription.transmit(encode_message(message, max_bytes=max_bytes))

    def reject(self) -> None:
        """Refuse the subscription; what `subscribed` transmitted is dropped.

        Raises:
            RuntimeError: called later than in `subscribed`: clients know no such thing.
        """
        if self._subscription.opened:
            raise RuntimeError("`reject` is for `subscribed`; later, raise Unauthorized()")
        self._subscription.rejected = True
