"""Who is present on a stream, and what clients say to each other there.

Any number of processes keep the presence of one stream together, in the store. Each touches the
sessions of its own sockets; those that nobody touches any more expire, and whichever process sees
that first tells all. So a process that dies takes its clients along, after `presence_ttl`.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cable import envelope, protocol
from cable import presence_messages as messages
from cable.background import keep_running
from cable.envelope import Event
from cable.presence_messages import Decide
from cable.protocol import encode_message
from cable.stats import stats
from cable.store.interface import Store, StoreError

if TYPE_CHECKING:
    from cable.conf import CableSettings
    from cable.subscription import Subscription

logger = logging.getLogger(__name__)

#: Sessions that one round trip touches, and streams that it sweeps.
_TOUCHED_AT_ONCE = 500


@dataclass(slots=True, eq=False)
class _Member:
    """One subscription that is present; `info` is JSON."""

    stream: str
    #: Names it in the store. A socket may be present in one stream under several identifiers, and
    #: again after it left, so its session id alone would not do.
    session: str
    id: str
    info: str
    #: How often the store was told of it without an answer; the next round tells it again.
    unanswered: int = 0


class PresenceKeeper:
    """The presence of one hub's subscriptions.

    Its methods log what a client got wrong and never raise for it, nor for a store or a layer
    that is away: a join is then made up for when the store is back, a leave when it expires.
    """

    def __init__(
        self,
        store: Store,
        settings: CableSettings,
        *,
        publish: Callable[[Event], Awaitable[None]],
    ) -> None:
        self._store = store
        self._settings = settings
        self._publish = publish
        self._members: dict[Subscription, _Member] = {}
        self._watching: set[Subscription] = set()
        #: (stream, session) of sockets that are gone and that linger from now on.
        self._dropped: list[tuple[str, str]] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._numbers = itertools.count(1)

    @property
    def members(self) -> int:
        """How many subscriptions of this process are present."""
        return len(self._members)

    def watch(self, subscription: Subscription) -> None:
        """The subscription's client hears of its `presence_stream`; ends with that stream."""
        self._watching.add(subscription)
        if self._task is None:
            self._task = keep_running(self._run, "cable-presence")

    async def join(
        self, subscription: Subscription, raw: Any, decide: Decide | None = None
    ) -> None:
        """Make a client present as it asks: `{"id": text or integer, "info": any JSON}`.

        The stream's subscribers hear of an id's first session only. A client that is refused
        gets a presence error.
        """
        try:
            await self.join_as(subscription, *messages.read_request(raw, decide))
        except ValueError as error:
            self._refuse(subscription, f"a join that is refused: {error}")
        except Exception:  # of the application's `decide`
            logger.exception("nobody decided who %s is", subscription.identifier)
        else:
            return
        self._push(subscription, messages.ERROR)

    async def join_as(self, subscription: Subscription, id: str, info: object) -> None:  # noqa: A002
        """Make a client present as the application decides.

        Raises:
            ValueError: id or info are not possible, the client is present under another id, or
                its channel streams from nothing with presence.
            TypeError: the info has no JSON form.
        """
        max_bytes = self._settings.max_presence_info_bytes
        encoded = messages.encode_info(id, info, max_bytes=max_bytes)
        stream = subscription.presence_stream
        if stream is None:
            raise ValueError("its channel does not offer presence")
        member = self._members.get(subscription)
        if member is not None and member.stream != stream:
            await self.leave(subscription)
            member = None
        if member is None:
            session = f"{subscription.sid}:{next(self._numbers)}"
            member = self._members[subscription] = _Member(stream, session, id, encoded)
        elif member.id != id:
            raise ValueError(f"presence id mismatch: it is present as {member.id!r:.100}")
        member.info = encoded
        self.watch(subscription)
        try:
            await self._save(subscription, member)
        except StoreError as error:
            logger.warning("%.100r is not yet present on %s: %s", id, stream, error)

    async def leave(self, subscription: Subscription) -> None:
        """The client leaves at once, if it is present; all hear of an id's last session."""
        member = self._members.pop(subscription, None)
        if member is None:
            return
        try:
            left = await self._store.presence_leave(member.stream, member.session)
        except StoreError as error:
            logger.warning("%.100r leaves %s when it expires: %s", member.id, member.stream, error)
            return
        if left is not None:
            await self._say(envelope.presence(member.stream, messages.left(left)))

    async def drop(self, subscription: Subscription) -> None:
        """The client's socket is gone: it leaves after `presence_ttl` unless its id comes back."""
        self._watching.discard(subscription)
        member = self._members.pop(subscription, None)
        if member is not None:
            # A socket's end must not wait for the store; and of many that end at once, all are
            # told in one round trip.
            self._dropped.append((member.stream, member.session))
            self._wake.set()

    async def tell(self, subscription: Subscription, raw: Any) -> None:
        """Tell the client who is present; how many only, if it sent `return_records` false.

        AnyCable's client sends `{}` and expects records. `total` is true where more are present
        than `max_presence_records`, or than one frame holds.
        """
        stream = subscription.presence_stream
        if stream is None:
            self._refuse(subscription, "a request for presence, which its channel does not offer")
            self._push(subscription, messages.ERROR)
            return
        # Who comes or goes from here on is told after the answer: clients ignore it before.
        subscription.hold()
        answer = messages.ERROR
        try:
            members = await self._store.presence_members(stream)
            if isinstance(raw, dict) and raw.get("return_records") is False:
                answer = messages.counted(members)
            else:
                answer = messages.told(
                    members,
                    max_records=self._settings.max_presence_records,
                    max_bytes=self._settings.max_payload_bytes,
                )
        except StoreError as error:
            logger.warning("nobody can be told who is on %s: %s", stream, error)
        finally:
            subscription.release(first=protocol.presence(subscription.prefix, answer))

    async def whisper(self, subscription: Subscription, data: Any) -> None:
        """Hand what a client says to the stream's other sockets."""
        stream = subscription.whisper_stream
        if stream is None:
            self._refuse(subscription, "a whisper, which its channel does not take")
            return
        try:
            encoded = encode_message(data, max_bytes=self._settings.max_message_bytes)
        except (ValueError, RecursionError) as error:
            self._refuse(subscription, f"a whisper that is dropped: {error}")
            return
        stats.whispers += 1
        await self._say(envelope.whisper(stream, encoded, exclude=subscription.sid))

    async def refresh(self) -> None:
        """One round: keep this process's clients present, tell who expired elsewhere."""
        self._forget_ended()
        members = list(self._members.items())
        streams = {subscription.presence_stream for subscription in self._watching}
        try:
            # Missing is who was swept while we were stuck, or all after the store began anew.
            missing = await self._touch([(member.stream, member.session) for _, member in members])
            for subscription, member in members:
                if member.unanswered or (member.stream, member.session) in missing:
                    await self._save(subscription, member)
            await self._sweep([stream for stream in streams if stream is not None])
        except StoreError as error:
            logger.warning("presence is not kept up: %s", error)

    async def close(self) -> None:
        """Stop the rounds; who is present here expires."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self._members.clear()
        self._watching.clear()
        self._dropped.clear()

    # Parts of them.

    async def _save(self, subscription: Subscription, member: _Member) -> None:
        if self._members.get(subscription) is not member:
            return  # it left meanwhile
        unsure = member.unanswered > 0
        member.unanswered += 1
        answer = await self._store.presence_join(
            member.stream,
            member.session,
            id=member.id,
            info=member.info,
            seconds=self._settings.presence_ttl,
        )
        member.unanswered = 0
        # One that left while we waited is not touched any more and expires. And where an earlier
        # answer was lost, it may have been that of the first: to tell twice does no harm.
        if (answer == "joined" or unsure) and self._members.get(subscription) is member:
            joined = messages.joined(member.id, member.info)
            await self._say(envelope.presence(member.stream, joined))

    async def _touch(self, sessions: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Keep sessions present; those that the store does not know."""
        missing: set[tuple[str, str]] = set()
        for start in range(0, len(sessions), _TOUCHED_AT_ONCE):
            missing.update(
                await self._store.presence_touch(
                    sessions[start : start + _TOUCHED_AT_ONCE], seconds=self._settings.presence_ttl
                )
            )
        return missing

    async def _sweep(self, streams: Sequence[str]) -> None:
        """Tell who expired; the store sends what is asked at the same time in one round trip."""
        for start in range(0, len(streams), _TOUCHED_AT_ONCE):
            batch = streams[start : start + _TOUCHED_AT_ONCE]
            gone = await asyncio.gather(*map(self._store.presence_sweep, batch))
            for stream, ids in zip(batch, gone, strict=True):
                for id_ in ids:
                    await self._say(envelope.presence(stream, messages.left(id_)))

    def _forget_ended(self) -> None:
        """Of a socket that ended without `leave` or `drop`, the streams tell."""
        for subscription in [s for s in self._watching if s.presence_stream not in s.streams]:
            self._watching.discard(subscription)
        for subscription, member in list(self._members.items()):
            if member.stream not in subscription.streams:
                del self._members[subscription]

    def _refuse(self, subscription: Subscription, what: str) -> None:
        stats.commands_refused += 1
        logger.warning("socket %s sent %.200s %s", subscription.sid, subscription.identifier, what)

    def _push(self, subscription: Subscription, encoded: str) -> None:
        subscription.deliver(protocol.presence(subscription.prefix, encoded))

    async def _say(self, event: Event) -> None:
        try:
            await self._publish(event)
        except Exception:  # each layer and client raises its own
            logger.exception("%s was not told of presence", event["stream"])

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        interval = self._settings.presence_ttl / 3
        due = loop.time() + interval
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._wake.wait()
            self._wake.clear()
            dropped, self._dropped = self._dropped, []
            try:
                await self._touch(dropped)
            except StoreError as error:
                # They expire all the same, a little earlier.
                logger.warning("%d clients do not linger: %s", len(dropped), error)
            if loop.time() >= due:
                await self.refresh()
                due = loop.time() + interval
