"""One identifier of one socket: what the hub delivers to."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from cable.protocol import Frame, answer, message, message_prefix
from cable.stats import stats


class Held:
    """What one socket's subscriptions hold back, together: at most `max_bytes`, and one frame."""

    __slots__ = ("_max_bytes", "_on_overflow", "bytes")

    def __init__(self, *, max_bytes: int, on_overflow: Callable[[], None]) -> None:
        self.bytes = 0
        self._max_bytes = max_bytes
        self._on_overflow = on_overflow

    def take(self, size: int) -> bool:
        """Whether there is room; if not, `on_overflow` was called."""
        if self.bytes > self._max_bytes:
            self._on_overflow()
            return False
        self.bytes += size
        return True

    def give_back(self, size: int) -> None:
        self.bytes -= size


class Subscription:
    """Turns messages into frames of its identifier and keeps them in order.

    While it holds, messages wait: those of the channel itself (`transmit`) and those of its
    streams apart. `release` sends the first kind before the second, so a channel that calls
    `stream_from`, then reads a snapshot and transmits it, loses no change and shows none twice
    out of order; and a replayed history comes before what is new.
    """

    __slots__ = (
        "_held",
        "_held_broadcasts",
        "_held_transmissions",
        "_holds",
        "_pending_bytes",
        "_push",
        "extended",
        "identifier",
        "live_from",
        "opened",
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
        held: Held,
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
        #: Its `subscribed` went through.
        self.opened = False
        self._holds = 0
        self._push = push
        self._pending_bytes = pending_bytes
        self._held = held
        self._held_transmissions: list[Frame] = []
        self._held_broadcasts: deque[Frame] = deque()

    def deliver(self, frame: Frame) -> None:
        """Send a frame that came from a stream."""
        if not self._holds:
            self._push(frame)
        elif self._held.take(frame.size):
            self._held_broadcasts.append(frame)

    def transmit(self, encoded: str) -> None:
        """Send an encoded message of the channel itself."""
        frame = message(self.prefix, encoded)
        if not self._holds:
            self._push(frame)
        elif self._held.take(frame.size):
            self._held_transmissions.append(frame)

    def signal_loss(self, *, history: bool) -> None:
        """Messages of a stream may be lost for good: say so and take a new state."""
        stats.signalled += 1
        if history and self.extended:
            # Not before the confirmation, nor before what came ahead of the loss.
            self.deliver(answer("reject", self.identifier, to="history"))
        self.resync()

    def is_behind(self) -> bool:
        """Whether what was sent before still waits, here or for the socket to take it."""
        return bool(self._held_broadcasts) or self._pending_bytes() > 0

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
            self._held.give_back(frame.size)
            self._push(frame)
        self._held_transmissions.clear()

    def replay(self, frame: Frame) -> None:
        """Send a message that was missed, ahead of what waits."""
        self._push(frame)

    def next_held(self) -> bool:
        """Send the oldest of what `release` would send; False when that is nothing."""
        if self._holds > 1 or not self._held_broadcasts:
            return False
        frame = self._held_broadcasts.popleft()
        self._held.give_back(frame.size)
        self._push(frame)
        return True

    def release(self, *, first: Frame | None = None) -> None:
        """Send `first`, what the channel transmitted, then what came from streams.

        While another hold is on, the latter still waits.
        """
        self.begin(first)
        while self.next_held():
            pass
        self._holds = max(0, self._holds - 1)

    def forget_held(self, stream: str, *, up_to: int) -> None:
        """Drop messages of a stream that wait and that the client has already."""
        held, self._held_broadcasts = self._held_broadcasts, deque()
        for frame in held:
            if frame.at and frame.at[0] == stream and frame.at[1] <= up_to:
                self._held.give_back(frame.size)
            else:
                self._held_broadcasts.append(frame)

    def drop(self) -> None:
        """Forget what waited."""
        for frame in (*self._held_transmissions, *self._held_broadcasts):
            self._held.give_back(frame.size)
        self._held_transmissions.clear()
        self._held_broadcasts.clear()
        self._holds = 0
