"""What this process counted, as plain numbers: the hot path cannot afford more.

`cable.metrics` turns them into Prometheus' form when it is asked.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Stats:
    """Totals since the process started."""

    sockets_opened: int = 0
    #: By the reason of the disconnect frame; "" is a peer that left by itself.
    sockets_closed: Counter[str] = field(default_factory=Counter)
    sessions_restored: int = 0
    sessions_not_restored: int = 0
    #: By command, as the client named it among those we know.
    commands: Counter[str] = field(default_factory=Counter)
    #: Frames of clients that had no effect.
    commands_refused: int = 0
    #: By "confirmed" or "rejected".
    subscriptions: Counter[str] = field(default_factory=Counter)
    bytes_received: int = 0
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


stats = Stats()
