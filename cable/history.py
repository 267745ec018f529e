"""A client's request for what it missed, and its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from cable import protocol
from cable.protocol import Frame, ProtocolError
from cable.stats import stats
from cable.store.interface import Entry
from cable.subscription import Subscription
from cable.timeline import Since

if TYPE_CHECKING:
    from cable.switchboard import Switchboard


class _Position(msgspec.Struct, frozen=True):
    epoch: str
    offset: int


class HistoryRequest(msgspec.Struct, frozen=True):
    """Positions that the client has, and the time (UNIX seconds) for streams without one.

    A client whose history is switched off sends `since: false`.
    """

    since: float | bool | None = None
    streams: dict[str, _Position] = {}

    def wants(self, stream: str) -> bool:
        """Whether the client asks for anything of this stream."""
        return stream in self.streams or not (self.since is None or isinstance(self.since, bool))

    def of(self, stream: str, joined: Mapping[str, tuple[str, int]]) -> Since:
        """From where this stream is wanted; `joined` from the session that was taken up."""
        if position := self.streams.get(stream):
            return Since(position.epoch, position.offset, None)
        if stream in joined:
            return Since(*joined[stream], None)
        if self.since is None or isinstance(self.since, bool):
            return Since(None, 0, None)
        return Since(None, 0, self.since)


def read_request(value: Any) -> HistoryRequest:
    """Check the `history` of a command; absent is a request for nothing.

    Raises:
        ProtocolError: it has another shape.
    """
    try:
        return msgspec.convert(value or {}, HistoryRequest)
    except msgspec.ValidationError as error:
        raise ProtocolError(f"history: {error}") from error


class Missed(NamedTuple):
    """Messages of one stream; they are shared with whoever else missed them."""

    stream: str
    epoch: str
    entries: list[Entry]

    def frame(self, subscription: Subscription, entry: Entry) -> Frame:
        """One of them, for an extended client."""
        return protocol.message(
            subscription.prefix,
            entry.message,
            protocol.stream_position(self.stream, self.epoch, entry.offset),
            (self.stream, entry.offset),
        )


async def find_missed(
    request: HistoryRequest,
    subscription: Subscription,
    switchboard: Switchboard,
    *,
    joined: Mapping[str, tuple[str, int]],
) -> list[Missed] | None:
    """What a held subscription missed; None when some of it is lost.

    All or nothing: a client that is told of a loss takes a new state, and half of the messages
    would only get in its way. Of an ordered stream that keeps no history nobody can say that
    nothing is lost. Streams that the subscription does not have are ignored.

    Raises:
        StoreError: the store does not answer.
    """
    found: list[Missed] = []
    for stream in sorted(subscription.streams):
        local = switchboard.get(stream)
        if local is None or switchboard.is_conflated(stream):
            continue
        if local.history is None:
            if request.wants(stream):
                stats.history["rejected"] += 1
                return None
            continue
        since = request.of(stream, joined)
        missed = await local.backlog(subscription, since)
        if missed is None:
            stats.history["rejected"] += 1
            return None
        if since.epoch is not None:
            # It may have got by another process what came here while it was held.
            subscription.forget_held(stream, up_to=since.offset)
        found.append(Missed(stream, local.timeline.epoch, missed))
    stats.history["confirmed"] += 1
    stats.messages_replayed += sum(len(each.entries) for each in found)
    return found
