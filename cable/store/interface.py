"""What the cable keeps outside of a connection: logs of streams, session records, presence."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

import msgspec

#: Expired sessions that one call of `presence_sweep` drops: it holds the store meanwhile.
SWEEP_LIMIT = 1000
#: Expired sessions are dropped without a word after this, where no process sweeps their stream:
#: nobody is listening then.
UNSWEPT_MS = 3_600_000

#: At the least; listeners renew it every `position_check_interval`.
UNUSED_MS = 60_000

PresenceJoin = Literal["joined", "known", "mismatch"]


class StoreError(Exception):
    """The store did not answer in time, or answered with an error."""


class HistoryOptions(msgspec.Struct, frozen=True):
    """How much of a stream is kept: `limit` messages, none older than `seconds`.

    Epoch and offset outlive the data, so that a quiet stream is not taken for a lost one:
    for `meta_seconds`, or `seconds` if that is longer, from the last use.
    """

    limit: int
    seconds: float
    meta_seconds: float

    @property
    def age_ms(self) -> int:
        return milliseconds(self.seconds)

    @property
    def unused_ms(self) -> int:
        """How long the epoch of a stream that never had a message is kept, from the last use."""
        return min(self.meta_ms, max(self.age_ms, UNUSED_MS))

    @property
    def meta_ms(self) -> int:
        return max(milliseconds(self.meta_seconds), self.age_ms)


class Entry(NamedTuple):
    """One message of a log: encoded JSON, and its UNIX time in ms by the store's clock."""

    offset: int
    time_ms: int
    message: str


class Head(NamedTuple):
    """Offset and UNIX time (ms) of the newest message; both 0 when there was none yet."""

    epoch: str
    offset: int
    time_ms: int


class Log(NamedTuple):
    """Messages ascending and without gaps up to `head.offset`; maybe none.

    `lost_ms`: time of the newest message that is no longer kept, 0 when none was dropped.
    After a restart it is the time of that: what was lost before it is not known.
    """

    head: Head
    lost_ms: int
    entries: list[Entry]


class Store(Protocol):
    """Times of messages never go back within a stream, even where the clock does.

    Every method raises StoreError.
    """

    async def append(
        self,
        stream: str,
        message: str,
        *,
        message_id: str,
        options: HistoryOptions,
        again: bool = False,
    ) -> Head:
        """Give a message the next offset (1, 2, …) and keep it.

        With `again` (a retry after a lost answer) a kept message of this id is returned
        instead and nothing is appended.
        """

    async def head(self, stream: str, options: HistoryOptions) -> Head:
        """A stream that is not known gets a new epoch; metadata of a known one is kept on."""

    async def heads(self, streams: Sequence[str]) -> list[Head | None]:
        """Many in one round trip, kept on; None where the store knows nothing of a stream."""

    async def read(self, stream: str, options: HistoryOptions, *, after: int = 0) -> Log:
        """The messages with larger offsets than `after`; otherwise like `head`."""

    async def restart(self, stream: str, options: HistoryOptions) -> Head:
        """Begin a new epoch with an empty log: continuity can no longer be vouched for."""

    async def save_sessions(self, records: Mapping[str, str], *, seconds: float) -> None:
        """Keep session records (sid → JSON), in one round trip."""

    async def touch_sessions(self, sids: Sequence[str], *, seconds: float) -> None:
        """Keep those that are known for longer, in one round trip."""

    async def load_session(self, sid: str) -> str | None: ...

    async def delete_sessions(self, sids: Sequence[str]) -> int:
        """In one round trip; how many were there."""

    async def presence_join(
        self,
        stream: str,
        sid: str,
        *,
        id: str,  # noqa: A002 (the protocol's word)
        info: str,
        seconds: float,
    ) -> PresenceJoin:
        """Make a session present under an id, whose info (JSON) becomes this one.

        Returns:
            `joined`: no live session of the id was there. `known`: one was, maybe this.
            `mismatch`: the session is there under another id; nothing was changed.
        """

    async def presence_leave(self, stream: str, sid: str) -> str | None:
        """Remove a session; the id when that was its last one.

        An expired session counts until it is swept, so that an id leaves exactly once.
        """

    async def presence_expire(self, stream: str, sid: str, *, seconds: float) -> None:
        """Let a session whose socket is gone expire, unless it joins again before."""

    async def presence_touch(
        self, members: Sequence[tuple[str, str]], *, seconds: float
    ) -> list[tuple[str, str]]:
        """Keep (stream, sid) pairs of live sockets present, in one round trip.

        Returns those that are not there (any more).
        """

    async def presence_sweep(self, stream: str) -> list[str]:
        """Drop expired sessions (at most `SWEEP_LIMIT`); the ids that have none left.

        Each id is returned to exactly one caller over all processes.
        """

    async def presence_members(self, stream: str) -> dict[str, str]:
        """Id → info (JSON), of live sessions only."""

    async def close(self) -> None:
        """Close the connections of the running event loop."""


def new_epoch() -> str:
    """48 random bits: two epochs of one stream must never be the same."""
    return secrets.token_urlsafe(6)


def milliseconds(seconds: float) -> int:
    """At least 1: a key that expires at once would be deleted while it is written."""
    return max(1, round(seconds * 1000))
