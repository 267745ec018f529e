"""The stacks that are compared: which server, which application, which channel layer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from bench.websocket import Target

_UVICORN_OPTIONS = (
    *("--lifespan", "off", "--log-level", "warning"),
    *("--ws", "websockets-sansio", "--ws-per-message-deflate", "false"),
)
_DAPHNE_OPTIONS = ("--verbosity", "0")


@dataclass(frozen=True)
class Stack:
    """One way to serve sockets; `command` is run with `python -m`, a port and `application`."""

    name: str
    kind: Literal["cable", "consumer"]
    command: tuple[str, ...]
    application: str
    layer: Literal["pubsub", "core"]
    subprotocol: str | None = None

    def target(self, port: int, number: int, stream: str) -> Target:
        """What socket `number` opens to get all of a stream."""
        if self.kind == "consumer":
            return Target(port, f"/ws/{stream}")
        identifier = json.dumps({"channel": "StreamChannel", "stream": stream})
        return Target(port, f"/cable?jid=user-{number}", self.subprotocol, identifier)


def _cable(name: str, command: tuple[str, ...], protocol: str) -> Stack:
    return Stack(name, "cable", command, "bench.app:application", "pubsub", protocol)


_OUR_UVICORN = ("cable.servers.uvicorn", *_UVICORN_OPTIONS)
_OUR_DAPHNE = ("cable.servers.daphne", *_DAPHNE_OPTIONS)
_BASE, _EXTENDED = "actioncable-v1-json", "actioncable-v1-ext-json"

#: What production runs, and the budgets' subject.
OURS = _cable("ours, uvicorn", _OUR_UVICORN, _BASE)
OURS_EXTENDED = _cable("ours, uvicorn, extended", _OUR_UVICORN, _EXTENDED)
OURS_DAPHNE = _cable("ours, Daphne", _OUR_DAPHNE, _BASE)
#: The budgets' baseline: what Channels' documentation installs.
SHIPPED = Stack(
    "Channels as shipped",
    "consumer",
    ("daphne", *_DAPHNE_OPTIONS),
    "bench.shipped:application",
    "core",
)
#: The fastest that Channels offers without code of one's own; for information.
SHIPPED_TUNED = Stack(
    "Channels, pub/sub, uvicorn",
    "consumer",
    ("uvicorn", *_UVICORN_OPTIONS),
    "bench.shipped:application",
    "pubsub",
)

BUDGETED = (OURS, SHIPPED)
ALL = (OURS, OURS_EXTENDED, OURS_DAPHNE, SHIPPED, SHIPPED_TUNED)
