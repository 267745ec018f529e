"""What this process counted, as plain numbers: the hot path cannot afford more.

`cable.metrics` turns them into Prometheus' form when it is asked.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field


class Histogram:
    """Observations in seconds, counted by the first of `bounds` that is not below them."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        #: One more than bounds: the last is of what is above all.
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.sum += seconds


#: Up to `layer_timeout`; a healthy layer answers in about a millisecond.
ROUND_TRIP_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
#: An event loop that is free is late by a millisecond or two.
LAG_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
#: Up to `command_timeout`.
METHOD_BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(slots=True)
class Stats:
    """Totals since the process started."""

    #: Accepted ones, whether or not they are authenticated later.
    sockets_opened: int = 0
    #: By the reason of the disconnect frame; "" is a peer that left by itself, "error" a close
    #: without a reason because something failed.
    sockets_closed: Counter[str] = field(default_factory=Counter)
    #: By "refused" (who may not connect) or "error" (`authenticate` or `connected` failed).
    authentication_failures: Counter[str] = field(default_factory=Counter)
    sessions_restored: int = 0
    sessions_not_restored: int = 0
    #: By command, as the client named it among those we know.
    commands: Counter[str] = field(default_factory=Counter)
    #: Frames of clients that had no effect.
    commands_refused: int = 0
    #: By "confirmed" or "rejected".
    subscriptions: Counter[str] = field(default_factory=Counter)
    bytes_received: int = 0
    #: Of frames that the server took for their socket.
    bytes_sent: int = 0
    #: Messages to streams that this process sent to all.
    broadcasts: int = 0
    #: Of those, sent late because layer or store were away; and given up, which was signalled.
    broadcasts_retried: int = 0
    broadcasts_lost: int = 0
    #: Messages of streams that arrived here, and copies handed to local sockets.
    messages_received: int = 0
    deliveries: int = 0
    #: Messages that came twice, and that were read from history because they had not come.
    messages_duplicate: int = 0
    messages_repaired: int = 0
    #: Subscriptions that were told that they may have missed something.
    signalled: int = 0
    #: Requests for history by "confirmed" or "rejected", and what was sent again for them.
    history: Counter[str] = field(default_factory=Counter)
    messages_replayed: int = 0
    layer_interruptions: int = 0
    whispers: int = 0
    #: Probes through the layer that came back.
    round_trips: Histogram = field(default_factory=lambda: Histogram(ROUND_TRIP_BOUNDS))
    #: How late the event loop woke a task that had slept.
    loop_lag: Histogram = field(default_factory=lambda: Histogram(LAG_BOUNDS))
    #: Running time of channels' methods, and those that failed, by channel class and command.
    methods: dict[tuple[str, str], Histogram] = field(default_factory=dict)
    method_errors: Counter[tuple[str, str]] = field(default_factory=Counter)

    def observe_method(self, channel: str, command: str, seconds: float) -> None:
        histogram = self.methods.get((channel, command))
        if histogram is None:
            histogram = self.methods[channel, command] = Histogram(METHOD_BOUNDS)
        histogram.observe(seconds)


stats = Stats()
