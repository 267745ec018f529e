"""One socket: reads commands, runs them one after the other, closes in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from cable import protocol
from cable.close_codes import INTERNAL_ERROR, NORMAL_CLOSURE
from cable.command_queue import CommandQueue
from cable.commands import CommandRunner
from cable.errors import Unauthorized
from cable.handshake import Identity, Scope, find_pings, find_session_id, find_token
from cable.open_channels import OpenChannels
from cable.outbox import Outbox, Send
from cable.protocol import Frame
from cable.reader import Reader
from cable.sessions import SessionRecord, new_sid
from cable.stats import stats
from cable.subscription import Held, Subscription

if TYPE_CHECKING:
    from cable.channel import Channel
    from cable.conf import CableSettings
    from cable.hub import Hub

logger = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Authenticate = Callable[[Scope, str | None], Awaitable[Identity]]
AroundCommand = Callable[["Connection", str], AbstractAsyncContextManager[Any]]
Hook = Callable[["Connection"], Awaitable[None]]


async def _identify(authenticate: Authenticate, scope: Scope) -> Identity:
    answer: object = authenticate(scope, find_token(scope))
    if not isawaitable(answer):
        raise TypeError("`authenticate` must be `async def`")
    identity: object = await answer
    if not isinstance(identity, Identity):
        raise TypeError(
            f"`authenticate` returned {identity!r:.100}; it must return an Identity or raise "
            "Unauthorized()"
        )
    return identity


class Connection:
    """What channels see of their socket, and the socket's life.

    Three coroutines serve it: this one reads, one begins commands in order, one writes.
    """

    #: Set before the first command runs.
    identity: Identity

    def __init__(
        self,
        *,
        scope: Scope,
        receive: Receive,
        send: Send,
        hub: Hub,
        settings: CableSettings,
        channels: Mapping[str, type[Channel]],
        around_command: AroundCommand,
        connected: Hook,
        disconnected: Hook,
        extended: bool,
    ) -> None:
        self.scope = scope
        #: Names this socket among all, for its successor and to leave out a sender.
        self.sid = new_sid()
        #: Whether the client speaks AnyCable's extended protocol.
        self.extended = extended
        self.pings = find_pings(scope, interval=settings.ping_interval)
        self._receive = receive
        self._hub = hub
        self._settings = settings
        self._outbox = Outbox(
            send, max_bytes=settings.max_pending_bytes, on_overflow=self.on_overflow
        )
        self._held = Held(max_bytes=settings.max_pending_bytes, on_overflow=self.on_overflow)
        self._queue = CommandQueue(settings, on_error=self._fail)
        self._channels = OpenChannels(
            self,
            hub=hub,
            settings=settings,
            classes=channels,
            around_command=around_command,
            put=lambda job, identifier: self._queue.put(job, key=identifier),
        )
        self._commands = CommandRunner(self, self._channels, self._queue)
        self._reader = Reader(self, self._commands, settings)
        self._around_command = around_command
        self._connected, self._disconnected = connected, disconnected
        self._task: asyncio.Task[Any] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        #: By the loop's clock: a command to the user's sockets that came later was not heard by
        #: the check of who this is.
        self.opened_at = asyncio.get_running_loop().time()
        self._abandoned = False
        self._reason = ""
        #: When the first of the pings was sent that nothing came after; 0 is none.
        self._pinged_at = 0.0
        self.closing = False
        #: The peer is not there any more, or nobody waits for it.
        self.gone = False

    def __repr__(self) -> str:
        identity = getattr(self, "identity", None)
        return f"<socket of {identity.key if identity else 'nobody yet'}>"

    # For channels and the hub.

    def disconnect(
        self,
        reason: str,
        *,
        reconnect: bool,
        code: int = NORMAL_CLOSURE,
        drop_pending: bool = False,
    ) -> None:
        """Tell the client why, then close; frames queued before are sent first.

        With `reconnect=False` official clients never come back by themselves. Only the first
        call counts. Must be called on the socket's event loop.
        """
        if self.closing or self.gone:
            return
        if not reconnect:
            self._queue.discard()  # whoever may not come back may not go on either
        self._reason = reason
        self._hub.sessions.end(self)
        frames = [protocol.disconnect(reason, reconnect=reconnect)]
        if self.extended and (reconnect or reason == "token_expired"):
            # AnyCable's extended client gives a channel up for good when its `subscribe` is not
            # answered before the end; confirmed, it subscribes again when it comes back.
            confirmations = [
                protocol.answer("confirm", identifier) for identifier in self._commands.unanswered()
            ]
            frames = [*confirmations, *frames]
        self._close(frames, code=code, drop_pending=drop_pending)

    def push(self, frame: Frame) -> None:
        """Queue a frame for this socket; never waits."""
        self._outbox.push(frame)

    def ping(self, frame: Frame) -> None:
        """Queue a ping, unless other frames wait: any frame is a sign of life."""
        if self._outbox.pending_bytes:
            return
        if self.extended and self._settings.pong_timeout:
            now = asyncio.get_running_loop().time()
            if self._pinged_at <= self._reader.heard_at:
                self._pinged_at = now
            elif now - self._pinged_at >= self._settings.pong_timeout:
                self.disconnect("no_pong", reconnect=True)
                return
        self._outbox.push(frame)

    async def has_room(self) -> bool:
        """Wait until the socket has taken most of what waits; False when it is closing.

        For what is sent in bulk: a reader that keeps up must not be taken for a slow one.
        """
        try:
            async with asyncio.timeout(self._settings.command_timeout):
                return await self._outbox.room()
        except TimeoutError:
            self.on_overflow()
            return False

    def pending_bytes(self) -> int:
        """What waits for the socket to take it."""
        return self._outbox.pending_bytes

    def pending_commands(self) -> int:
        """How many commands are read and not yet done."""
        return self._queue.pending

    def is_quiet(self, seconds: float) -> bool:
        """Whether all commands are answered and none came for so long."""
        quiet_for = asyncio.get_running_loop().time() - self._reader.heard_at
        return self._queue.is_idle and quiet_for >= seconds

    def session_record(self) -> SessionRecord:
        return self._channels.session_record(but=self._commands.leaving())

    def make_subscription(self, identifier: str, *, resync: Callable[[], None]) -> Subscription:
        return Subscription(
            identifier,
            sid=self.sid,
            extended=self.extended,
            push=self.push,
            pending_bytes=self.pending_bytes,
            resync=resync,
            held=self._held,
        )

    # The socket's life.

    async def run(self, authenticate: Authenticate) -> None:
        """Serve the accepted socket until it is closed and every `unsubscribed` ran."""
        self._task = asyncio.current_task()
        stats.sockets_opened += 1
        writer = asyncio.create_task(self._outbox.run(), name="cable-writer")
        try:
            await self._hub.listen()
            if await self._authenticate(authenticate) and await self._enter():
                # The restored channels are opened by the queue, so that it closes them again.
                self._queue.put(self._welcome)
                self._queue.start(last=self._leave)
            await self._read()
            if not self.closing:
                writer.cancel()  # the peer is gone; what is still sent to it is dropped
        except asyncio.CancelledError:
            # Either our own deadline for a close that the peer never answered, or the server
            # stops: Daphne cancels applications while their sockets are still open. It waits for
            # the others only as long as none ends with an error, so this is not raised again.
            if not self._abandoned:
                self.disconnect("server_restart", reconnect=True)
        finally:
            for timer in self._timers:
                timer.cancel()
            self.gone = True
            self._hub.sessions.cut(self)
            try:
                if not await self._queue.finish():
                    logger.error("%r: its last commands or callbacks took too long", self)
            finally:
                self._channels.abandon()
                stats.sockets_closed[self._reason] += 1
                self._hub.detach(self)
                await self._finish_writing(writer)

    async def _enter(self) -> bool:
        """Become known to the hub.

        True when `connected` went through, so that `disconnected` must follow.
        """
        self._hub.attach(self)
        if self.closing:
            return False
        try:
            async with self._around_command(self, "connect"):
                async with asyncio.timeout(self._settings.connected_timeout):
                    await self._connected(self)
        except Unauthorized as error:
            stats.authentication_failures["refused"] += 1
            self.disconnect(error.reason, reconnect=False)
            return False
        except Exception:
            stats.authentication_failures["error"] += 1
            logger.exception("%r: `connected` failed; the socket is closed", self)
            self._fail()
            return False
        return True

    async def _welcome(self) -> None:
        """The first job of the queue: take up an earlier session, say welcome, then ping."""
        restored = None if self.closing or self.gone else await self._restore()
        if self.extended:
            self.push(protocol.welcome(sid=self.sid, restored=restored))
        else:
            self.push(protocol.welcome())
        self._hub.start_pings(self)

    async def _restore(self) -> list[str] | None:
        """Take up the session that an extended client asks for; None when there is none."""
        sid = find_session_id(self.scope) if self.extended else None
        if sid is None:
            return None
        record = await self._hub.sessions.take(sid, key=self.identity.key)
        if record is None:
            stats.sessions_not_restored += 1
            return None
        stats.sessions_restored += 1
        restored = await self._channels.restore(record)
        if self.gone:
            await self._hub.sessions.give_back(sid, record)
        return restored

    async def _leave(self) -> None:
        """The last job of the queue: each channel, then the application, hears of the end."""
        await self._channels.close_all()
        try:
            async with self._around_command(self, "disconnect"):
                async with asyncio.timeout(self._settings.command_timeout):
                    await self._disconnected(self)
        except Exception:
            logger.exception("%r: `disconnected` failed", self)

    async def _authenticate(self, authenticate: Authenticate) -> bool:
        try:
            async with asyncio.timeout(self._settings.authenticate_timeout):
                identity = await _identify(authenticate, self.scope)
            self.identity = identity
            self._watch_expiry(identity)
        except Unauthorized as error:
            logger.info("socket refused: %s", error.reason)
            stats.authentication_failures["refused"] += 1
            self.disconnect(error.reason, reconnect=False)
            return False
        except Exception:
            # No frame, as AnyCable does: clients reconnect after a close without a reason.
            stats.authentication_failures["error"] += 1
            logger.exception("authenticate failed; the socket is closed")
            self._fail()
            return False
        return True

    def _watch_expiry(self, identity: Identity) -> None:
        if identity.expires_at is None:
            return
        loop = asyncio.get_running_loop()
        left = identity.expires_at - self._hub.now()
        if not left > 0:  # which is so for a number that is none, too
            raise Unauthorized("token_expired")
        self._timers.append(loop.call_later(left, self._on_expiry))

    def _on_expiry(self) -> None:
        self.disconnect("token_expired", reconnect=False)

    def on_overflow(self) -> None:
        """More waits for this socket than a reader that keeps up would leave."""
        logger.warning("%r reads too slowly; disconnected to reconnect", self)
        self.disconnect("too_slow", reconnect=True, drop_pending=True)

    async def _read(self) -> None:
        while True:
            event = await self._receive()
            if event["type"] == "websocket.disconnect":
                return
            if not self.closing:
                self._reader.take(event)

    def _close(self, last: Sequence[Frame], *, code: int, drop_pending: bool = False) -> None:
        if self.closing or self.gone:
            return  # nobody hears it, and nothing may cut the last callbacks short
        self.closing = True
        if not last:
            self._reason = "error"
        self._outbox.close(last, code=code, drop_pending=drop_pending)
        loop = asyncio.get_running_loop()
        self._timers.append(loop.call_later(self._settings.close_timeout, self._abandon))

    def _fail(self) -> None:
        """Close without a word: clients reconnect."""
        self._close([], code=INTERNAL_ERROR)

    def _abandon(self) -> None:
        """The peer neither reads nor closes: stop waiting for it."""
        self._abandoned = True
        if self._task is not None:
            self._task.cancel()

    async def _finish_writing(self, writer: asyncio.Task[None]) -> None:
        """Let a disconnect frame out; when the peer is gone there is nothing to write."""
        if self.closing and not self._abandoned:
            await asyncio.wait([writer], timeout=self._settings.close_timeout)
        if not writer.done():
            writer.cancel()
            await asyncio.wait([writer])
