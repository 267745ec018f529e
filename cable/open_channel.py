"""One open channel of a socket, and what a later socket would need to know of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from cable.channel import Channel
from cable.history import Missed
from cable.subscription import Subscription


@dataclass(slots=True)
class OpenChannel:
    channel: Channel
    subscription: Subscription
    #: Its streams when it was opened: what actions add or take away, a new socket's channel
    #: would not know of.
    streams: frozenset[str]
    #: Stream → epoch and offset from which on all was sent to this client, by whichever socket.
    joined: dict[str, tuple[str, int]]
    #: Positions that the session remembered, when it was taken up.
    resumed: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    #: Runs while a restored subscription waits for the client to ask for its history.
    waiting: asyncio.TimerHandle | None = None


def joined_after(missed: list[Missed] | None, entry: OpenChannel) -> dict[str, tuple[str, int]]:
    """Where a client that heard nothing of a replay would have to ask from."""
    joined = dict(entry.subscription.live_from)
    if missed is None:
        return joined  # it was told that it begins anew
    for stream, (epoch, offset) in entry.joined.items():
        if stream in joined and joined[stream][0] == epoch:
            joined[stream] = (epoch, min(offset, joined[stream][1]))
    for each in missed:
        if each.entries:
            epoch, offset = joined[each.stream]
            joined[each.stream] = (epoch, min(each.entries[0].offset - 1, offset))
    return joined
