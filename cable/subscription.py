"""One identifier of one socket: what the hub delivers to."""

from __future__ import annotations

from collections.abc import Callable

from cable.protocol import Frame, answer, message, message_prefix


class Subscription:
    """Turns messages into frames of its identifier and keeps them in order.

    While it holds, messages wait: those of the channel itself (`transmit`) and those of its
    streams apart. `release` sends the first kind before the second, so a channel that calls
    `stream_from`, then reads a snapshot and transmits it, loses no change and shows none twice
    out of order.
    """

    __slots__ = (
        "_held_broadcasts",
        "_held_bytes",
        "_held_transmissions",
        "_max_held_bytes",
        "_on_overflow",
        "_push",
        "holding",
        "identifier",
        "prefix",
        "rejected",
        "resync",
        "streams",
    )

    def __init__(
        self,
        identifier: str,
        *,
        push: Callable[[Frame], None],
        resync: Callable[[], None],
        on_overflow: Callable[[], None],
        max_held_bytes: int,
    ) -> None:
        self.identifier = identifier
        self.prefix = message_prefix(identifier)
        #: Asks the connection to run the channel's `resync` after the commands that wait.
        self.resync = resync
        #: Streams that the hub delivers from; kept by the hub.
        self.streams: set[str] = set()
        self.rejected = False
        self.holding = False
        self._push = push
        self._on_overflow = on_overflow
        self._max_held_bytes = max_held_bytes
        self._held_transmissions: list[Frame] = []
        self._held_broadcasts: list[Frame] = []
        self._held_bytes = 0

    def deliver(self, frame: Frame) -> None:
        """Send a frame that came from a stream."""
        if not self.holding:
            self._push(frame)
        elif self._has_room(frame):
            self._held_broadcasts.append(frame)

    def transmit(self, encoded: str) -> None:
        """Send an encoded message of the channel itself."""
        frame = message(self.prefix, encoded)
        if not self.holding:
            self._push(frame)
        elif self._has_room(frame):
            self._held_transmissions.append(frame)

    def hold(self) -> None:
        self.holding = True

    def release(self, *, confirm: bool = False) -> None:
        """Send what waited, after the confirmation where one is due."""
        if confirm:
            self._push(answer("confirm", self.identifier))
        for frame in self._held_transmissions:
            self._push(frame)
        for frame in self._held_broadcasts:
            self._push(frame)
        self.drop()

    def drop(self) -> None:
        """Forget what waited."""
        self._held_transmissions.clear()
        self._held_broadcasts.clear()
        self._held_bytes = 0
        self.holding = False

    def _has_room(self, frame: Frame) -> bool:
        if self._held_bytes > self._max_held_bytes:
            self._on_overflow()
            return False
        self._held_bytes += frame.size
        return True
