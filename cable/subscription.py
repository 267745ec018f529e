"""One identifier of one socket: what the hub delivers to."""

from __future__ import annotations

from collections.abc import Callable

from cable.protocol import Frame, answer, message, message_prefix
from cable.stats import stats


class Subscription:
    """Turns messages into frames of its identifier and keeps them in order.

    While it holds, messages wait: those of the channel itself (`transmit`) and those of its
    streams apart. `release` sends the first kind before the second, so a channel that calls
    `stream_from`, then reads a snapshot and transmits it, loses no change and shows none twice
    out of order; and a replayed history comes before what is new.
    """

    __slots__ = (
        "_held_broadcasts",
        "_held_bytes",
        "_held_transmissions",
        "_holds",
        "_max_held_bytes",
        "_on_overflow",
        "_pending_bytes",
        "_push",
        "extended",
        "identifier",
        "live_from",
        "prefix",
        "presence_stream",
        "rejected",
        "resync",
        "sid",
        "streams",
        "whisper_stream",
    )

    def __init__(
        self,
        identifier: str,
        *,
        sid: str,
        extended: bool,
        push: Callable[[Frame], None],
        pending_bytes: Callable[[], int],
        resync: Callable[[], None],
        on_overflow: Callable[[], None],
        max_held_bytes: int,
    ) -> None:
        self.identifier = identifier
        self.prefix = message_prefix(identifier)
        #: The socket's, by which a broadcast can leave out its sender.
        self.sid = sid
        #: Whether the client understands positions, history and presence.
        self.extended = extended
        #: Asks the connection to run the channel's `resync` after the commands that wait.
        self.resync = resync
        #: Streams that the hub delivers from; kept by the hub.
        self.streams: set[str] = set()
        #: Stream → epoch and offset after which its messages come live (or are held).
        self.live_from: dict[str, tuple[str, int]] = {}
        self.whisper_stream: str | None = None
        self.presence_stream: str | None = None
        self.rejected = False
        self._holds = 0
        self._push = push
        self._pending_bytes = pending_bytes
        self._on_overflow = on_overflow
        self._max_held_bytes = max_held_bytes
        self._held_transmissions: list[Frame] = []
        self._held_broadcasts: list[Frame] = []
        self._held_bytes = 0

    def deliver(self, frame: Frame) -> None:
        """Send a frame that came from a stream."""
        if not self._holds:
            self._push(frame)
        elif self._has_room(frame):
            self._held_broadcasts.append(frame)

    def transmit(self, encoded: str) -> None:
        """Send an encoded message of the channel itself."""
        frame = message(self.prefix, encoded)
        if not self._holds:
            self._push(frame)
        elif self._has_room(frame):
            self._held_transmissions.append(frame)

    def signal_loss(self, *, history: bool) -> None:
        """Messages of a stream may be lost for good: say so and take a new state."""
        stats.signalled += 1
        if history and self.extended:
            # Not before the confirmation, nor before what came ahead of the loss.
            self.deliver(answer("reject", self.identifier, to="history"))
        self.resync()

    def is_behind(self) -> bool:
        """Whether the socket has not yet taken what was sent before."""
        return self._pending_bytes() > 0

    @property
    def holding(self) -> bool:
        return self._holds > 0

    def hold(self) -> None:
        """Let messages wait until as many `release` were called."""
        self._holds += 1

    def begin(self, first: Frame | None = None) -> None:
        """Send `first` and what the channel transmitted; what came from streams still waits."""
        if first is not None:
            self._push(first)
        for frame in self._held_transmissions:
            self._push(frame)
        self._held_transmissions.clear()

    def replay(self, frame: Frame) -> None:
        """Send a message that was missed, ahead of what waits."""
        self._push(frame)

    def release(self, *, first: Frame | None = None) -> None:
        """Send `first`, what the channel transmitted, then what came from streams.

        While another hold is on, the latter still waits.
        """
        self.begin(first)
        self._holds = max(0, self._holds - 1)
        if not self._holds:
            for frame in self._held_broadcasts:
                self._push(frame)
            self._held_broadcasts.clear()
            self._held_bytes = 0

    def forget_held(self, stream: str, *, up_to: int) -> None:
        """Drop messages of a stream that wait and that the client has already."""
        held, self._held_broadcasts = self._held_broadcasts, []
        for frame in held:
            if frame.at and frame.at[0] == stream and frame.at[1] <= up_to:
                self._held_bytes -= frame.size
            else:
                self._held_broadcasts.append(frame)

    def drop(self) -> None:
        """Forget what waited."""
        self._held_transmissions.clear()
        self._held_broadcasts.clear()
        self._held_bytes = 0
        self._holds = 0

    def _has_room(self, frame: Frame) -> bool:
        if self._held_bytes > self._max_held_bytes:
            self._on_overflow()
            return False
        self._held_bytes += frame.size
        return True
