"""A subscription without a socket."""

from __future__ import annotations

import json
from typing import Any

from cable.protocol import Frame
from cable.subscription import Held, Subscription


class Sink(Subscription):
    """Keeps its frames, and how often it was asked to take a new state."""

    __slots__ = ("frames", "overflows", "resyncs")

    def __init__(
        self,
        identifier: str = "a",
        *,
        sid: str = "sid",
        extended: bool = False,
        max_held_bytes: int = 1000,
    ) -> None:
        self.frames: list[Frame] = []
        self.resyncs = 0
        self.overflows = 0
        super().__init__(
            identifier,
            sid=sid,
            extended=extended,
            push=self.frames.append,
            pending_bytes=lambda: 0,
            resync=self._resync,
            held=Held(max_bytes=max_held_bytes, on_overflow=self._overflow),
        )

    def _resync(self) -> None:
        self.resyncs += 1

    def _overflow(self) -> None:
        self.overflows += 1

    @property
    def received(self) -> list[Any]:
        """The frames, decoded."""
        return [json.loads(frame.event["text"]) for frame in self.frames]

    @property
    def messages(self) -> list[Any]:
        """The messages of the data frames."""
        return [frame["message"] for frame in self.received if "message" in frame]
