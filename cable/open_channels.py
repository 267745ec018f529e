"""The subscriptions of one socket."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Set
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from cable import history
from cable.channel import Channel
from cable.channel_calls import ChannelCalls, Method
from cable.errors import StreamUnavailable, Unauthorized
from cable.history import Missed
from cable.open_channel import OpenChannel, joined_after
from cable.protocol import Frame, ProtocolError, answer, decode_object
from cable.sessions import OpenSubscription, SessionRecord
from cable.stats import stats
from cable.store.interface import StoreError

if TYPE_CHECKING:
    from cable.conf import CableSettings
    from cable.connection import AroundCommand, Connection
    from cable.hub import Hub

logger = logging.getLogger(__name__)


class _Refused(Exception):
    """The subscription is not opened; the text says why."""


class OpenChannels:
    """Opens, calls and closes the channels that one client has subscribed to.

    Its methods are the jobs of the socket's queue, so those of one identifier never run at the same
    time.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        hub: Hub,
        settings: CableSettings,
        classes: Mapping[str, type[Channel]],
        around_command: AroundCommand,
        put: Callable[[Method, str], None],
    ) -> None:
        self._connection = connection
        self._hub = hub
        self._settings = settings
        self._classes = classes
        self._calls = ChannelCalls(connection, settings, around_command)
        self._put = put
        self._open: dict[str, OpenChannel] = {}
        self._opening = 0
        self._replaying = asyncio.Lock()
        # Identifiers whose `resync` waits.
        self._resyncs: set[str] = set()

    def session_record(self, *, but: Set[str]) -> SessionRecord:
        """What a later socket may take up, without the identifiers `but`.

        Only what history or state bring up to date again.
        """
        return SessionRecord(
            self._connection.identity.key,
            [
                OpenSubscription(identifier, dict(entry.joined))
                for identifier, entry in self._open.items()
                if identifier not in but
                and entry.subscription.streams == entry.streams
                and self._hub.streams.recovers(entry.subscription)
            ],
        )

    def note_request(self, identifier: str) -> None:
        """The client of a restored subscription asks for its history; its turn will come."""
        entry = self._open.get(identifier)
        if entry is not None and entry.waiting is not None:
            entry.waiting.cancel()

    def is_open(self, identifier: str) -> bool:
        return identifier in self._open

    # Commands.

    async def subscribe(
        self, identifier: str, *, history: Any, presence: Any, on_answer: Callable[[], None]
    ) -> None:
        """Open a channel and answer; a second time is no news and gets no answer.

        `on_answer` is called at the moment of the answer.
        """
        if identifier in self._open:
            return
        try:
            entry = await self._try_to_open(identifier)
        except _Refused as why:
            logger.warning("%r: %.200r rejected: %s", self._connection, identifier, why)
            stats.subscriptions["rejected"] += 1
            on_answer()
            self._connection.push(answer("reject", identifier))
            return
        if entry is None:
            return
        stats.subscriptions["confirmed"] += 1
        confirmation = answer("confirm", identifier)
        if self._connection.extended and history is not None:
            missed = await self._missed(entry, history)
            on_answer()
            await self._replay(identifier, entry, missed, first=confirmation)
        else:
            on_answer()
            entry.subscription.release(first=confirmation)
        self._note_change()
        if self._connection.extended and presence is not None:
            await self.join(identifier, presence)

    async def unsubscribe(self, identifier: str) -> None:
        entry = self._open.get(identifier)
        if entry is None:
            logger.info("%r left %.200r without a subscription", self._connection, identifier)
            return
        await self._hub.presence.leave(entry.subscription)
        del self._open[identifier]  # not before: what ends early is closed with the others
        await self._close(entry)
        self._note_change()

    async def perform(self, identifier: str, data: Any) -> None:
        """Call the action that `data` names."""
        entry = self._find(identifier, "a message")
        if entry is None:
            return
        try:
            values = decode_object(data, "data")
        except ProtocolError as error:
            self._ignore(f"a message without effect: {error}")
            return
        channel = entry.channel
        name = values.get("action", "receive")
        takes_data = channel.cable_actions.get(name) if isinstance(name, str) else None
        if takes_data is None:
            self._ignore(f"an action that {type(channel).__name__} does not have: {name!r:.100}")
            return
        method = getattr(channel, name)
        call = partial(method, values) if takes_data else method
        before = set(entry.subscription.streams)
        await self._calls.guard(call, name, channel, command="message")
        if entry.subscription.streams != before:
            self._note_change()

    async def replay(self, identifier: str, request: Any) -> None:
        """Send what the client missed, as after a session was taken up."""
        entry = self._find(identifier, "a request for history")
        if entry is None:
            return
        if entry.waiting is not None:
            entry.waiting.cancel()
            entry.waiting = None
        else:
            entry.subscription.hold()
            self._hub.streams.mark_live(entry.subscription)
        await self._replay(identifier, entry, await self._missed(entry, request))

    async def whisper(self, identifier: str, data: Any) -> None:
        """Hand a client's message to the others of the stream."""
        entry = self._find(identifier, "a whisper")
        if entry is None:
            return
        if entry.subscription.whisper_stream is None:
            self._ignore(f"a whisper on {identifier[:200]!r}, which does not take any")
            return
        await self._hub.presence.whisper(entry.subscription, data)

    async def join(self, identifier: str, presence: Any) -> None:
        """Make the client present in the stream of its subscription."""
        if entry := self._find(identifier, "a join"):
            channel = entry.channel
            join = partial(
                self._hub.presence.join, entry.subscription, presence, channel.presence_of
            )
            await self._calls.guard(join, "presence_of", channel, command="presence")

    async def leave(self, identifier: str) -> None:
        if entry := self._find(identifier, "a leave"):
            await self._hub.presence.leave(entry.subscription)

    async def present(self, identifier: str, data: Any) -> None:
        """Tell the client who is present."""
        if entry := self._find(identifier, "a request for presence"):
            await self._hub.presence.tell(entry.subscription, data)

    async def resync(self, identifier: str) -> None:
        """Messages may have been lost: the channel tells its state anew."""
        self._resyncs.discard(identifier)
        entry = self._open.get(identifier)
        if entry is None:
            return
        entry.subscription.hold()
        try:
            channel = entry.channel
            if not await self._calls.guard(channel.resync, "resync", channel, command="resync"):
                # The client's state may be wrong for ever; a new start is the only honest way.
                self._connection.disconnect("stream_interrupted", reconnect=True)
        finally:
            entry.subscription.release()

    async def restore(self, record: SessionRecord) -> list[str]:
        """Open again what a cut socket had open; the identifiers that are open now.

        Their live messages wait until the client asked for their history.
        """
        restored = []
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.restore_timeout):
                for was_open in record.subscriptions:
                    try:
                        entry = await self._try_to_open(was_open.identifier)
                    except _Refused as why:
                        # The client subscribes to what was not restored, and is told then.
                        logger.info("%r: not restored: %s", self._connection, why)
                        continue
                    if entry is None:
                        break
                    entry.resumed = was_open.joined
                    entry.joined |= was_open.joined
                    entry.waiting = asyncio.get_running_loop().call_later(
                        self._settings.restore_hold, self._give_up_waiting
                    )
                    restored.append(was_open.identifier)
        self._note_change()
        return restored

    async def close_all(self) -> None:
        """The socket is gone: each channel hears that."""
        for identifier in list(self._open):
            entry = self._open.pop(identifier)
            await self._hub.presence.drop(entry.subscription)
            await self._close(entry)

    def abandon(self) -> None:
        """Leave all streams without calling anybody: there is no time left."""
        for entry in self._open.values():
            self._hub.streams.leave_all(entry.subscription)
        self._open.clear()

    # Parts of them.

    def _want_resync(self, identifier: str) -> None:
        if identifier not in self._resyncs:
            self._resyncs.add(identifier)
            self._put(partial(self.resync, identifier), identifier)

    def _find(self, identifier: str, what: str) -> OpenChannel | None:
        entry = self._open.get(identifier)
        if entry is None:
            self._ignore(f"{what} to {identifier[:200]!r}, not open")
        return entry

    def _ignore(self, what: str) -> None:
        stats.commands_refused += 1
        logger.warning("%r sent %s", self._connection, what)

    def _note_change(self) -> None:
        connection = self._connection
        if connection.extended and not connection.closing and not connection.gone:
            self._hub.sessions.changed(self._connection)

    async def _try_to_open(self, identifier: str) -> OpenChannel | None:
        """Open a channel, held; None when the socket is closed because of it.

        Raises:
            _Refused: the subscription is rejected.
        """
        channel_class, params = self._look_up(identifier)
        connection = self._connection
        subscription = connection.make_subscription(
            identifier, resync=partial(self._want_resync, identifier)
        )
        subscription.hold()
        self._opening += 1
        try:
            channel = channel_class(
                connection=connection, subscription=subscription, hub=self._hub, params=params
            )
            await self._calls.call(
                channel.subscribed,
                channel,
                command="subscribe",
                within=self._settings.subscribe_timeout,
            )
            if not subscription.rejected:
                subscription.opened = True
                entry = self._open[identifier] = OpenChannel(
                    channel,
                    subscription,
                    streams=frozenset(subscription.streams),
                    joined=dict(subscription.live_from),
                )
                return entry
        except Unauthorized as error:
            connection.disconnect(error.reason, reconnect=False)
            return None
        except StreamUnavailable as error:
            await self._calls.interrupted(error)
            return None
        except Exception as error:
            logger.exception("%s.subscribed failed for %r", channel_class.__name__, connection)
            raise _Refused("its `subscribed` failed") from error
        finally:
            self._opening -= 1
            if identifier not in self._open:
                self._hub.streams.leave_all(subscription)
                subscription.drop()
        raise _Refused("the channel rejected it")

    def _look_up(self, identifier: str) -> tuple[type[Channel], dict[str, Any]]:
        if len(self._open) + self._opening >= self._settings.max_subscriptions:
            raise _Refused(f"more than {self._settings.max_subscriptions} subscriptions")
        if len(identifier) > self._settings.max_identifier_length:
            raise _Refused(f"an identifier of more than {self._settings.max_identifier_length}")
        try:
            params = decode_object(identifier, "identifier")
        except ProtocolError as error:
            raise _Refused(str(error)) from error
        name = params.pop("channel", None)
        if not isinstance(name, str) or name not in self._classes:
            raise _Refused(f"no channel is named {name!r:.100}")
        return self._classes[name], params

    async def _missed(self, entry: OpenChannel, request: Any) -> list[Missed] | None:
        """What a held subscription missed; None when some of it is lost or nobody can tell."""
        missed: list[Missed] | None = None
        try:
            wanted = history.read_request(request)
            missed = await history.find_missed(
                wanted, entry.subscription, self._hub.streams, joined=entry.resumed
            )
        except ProtocolError as error:
            self._ignore(str(error))
        except StoreError as error:
            await self._calls.interrupted(error)
        entry.resumed = {}
        entry.joined = joined_after(missed, entry)
        return missed

    async def _replay(
        self,
        identifier: str,
        entry: OpenChannel,
        missed: list[Missed] | None,
        *,
        first: Frame | None = None,
    ) -> None:
        """Release a held subscription, with what it missed before what is new."""
        subscription, connection = entry.subscription, self._connection
        subscription.begin(first)
        try:
            # One after the other: several would take the room from each other.
            async with self._replaying, asyncio.timeout(self._settings.replay_timeout):
                for each in missed or []:
                    for message in each.entries:
                        # Made now: all of them together may be more than can wait.
                        if await connection.has_room():
                            subscription.replay(each.frame(subscription, message))
                said = answer("reject" if missed is None else "confirm", identifier, to="history")
                subscription.begin(said)
                while await connection.has_room() and subscription.next_held():
                    pass
        except TimeoutError:
            connection.on_overflow()
        subscription.release()

    def _give_up_waiting(self) -> None:
        # What it missed could only come after what is new from here on.
        logger.warning(
            "%r did not ask for its history; disconnected to reconnect", self._connection
        )
        self._connection.disconnect("stream_interrupted", reconnect=True)

    async def _close(self, entry: OpenChannel) -> None:
        if entry.waiting is not None:
            entry.waiting.cancel()
        self._hub.streams.leave_all(entry.subscription)
        entry.subscription.drop()
        channel = entry.channel
        await self._calls.guard(
            channel.unsubscribed, "unsubscribed", channel, command="unsubscribe"
        )
