"""A channel that most tests can do with."""

from __future__ import annotations

import json
from typing import ClassVar

from cable import Channel


class Streams(Channel):
    """Streams what its parameter `streams` names, then transmits its parameter `state`."""

    #: What was called, by identifiers' `name`.
    calls: ClassVar[list[str]] = []
    #: Names that are rejected.
    refused: ClassVar[set[str]] = set()

    async def subscribed(self) -> None:
        self.calls.append(f"subscribed {self.params.get('name')}")
        if self.params.get("name") in self.refused:
            self.reject()
            return
        for stream in self.params.get("streams", ()):
            await self.stream_from(stream)
        if state := self.params.get("state"):
            self.transmit({"state": state})

    async def unsubscribed(self) -> None:
        self.calls.append(f"unsubscribed {self.params.get('name')}")

    async def resync(self) -> None:
        self.transmit({"resync": 1})


CHANNELS: dict[str, type[Channel]] = {"Streams": Streams}


def identifier(*streams: str, **params: object) -> str:
    return json.dumps({"channel": "Streams", "streams": streams, **params})
