"""Order of what one subscription sends."""

from __future__ import annotations

import json
from typing import Any

from cable import protocol
from cable.protocol import Frame
from cable.subscription import Subscription


class Sent:
    """A subscription and what it pushed."""

    def __init__(self, max_held_bytes: int = 1000) -> None:
        self.frames: list[Any] = []
        self.overflows = 0
        self.subscription = Subscription(
            "a",
            push=lambda frame: self.frames.append(json.loads(frame.event["text"])),
            resync=lambda: None,
            on_overflow=self._overflow,
            max_held_bytes=max_held_bytes,
        )

    def _overflow(self) -> None:
        self.overflows += 1

    def broadcast(self, encoded: str) -> Frame:
        frame = protocol.message(self.subscription.prefix, encoded)
        self.subscription.deliver(frame)
        return frame


def test_confirmation_then_transmissions_then_broadcasts_each_in_order() -> None:
    sent = Sent()
    sent.subscription.hold()
    sent.broadcast("1")
    sent.subscription.transmit('"one"')
    sent.broadcast("2")
    sent.subscription.transmit('"two"')
    assert sent.frames == []
    sent.subscription.release(confirm=True)
    sent.broadcast("3")
    sent.subscription.transmit('"three"')
    assert sent.frames == [
        {"type": "confirm_subscription", "identifier": "a"},
        *({"identifier": "a", "message": value} for value in ("one", "two", 1, 2, 3, "three")),
    ]


def test_what_is_dropped_never_comes() -> None:
    sent = Sent()
    sent.subscription.hold()
    sent.broadcast("1")
    sent.subscription.drop()
    sent.broadcast("2")
    assert sent.frames == [{"identifier": "a", "message": 2}]


def test_held_bytes_are_bounded_with_one_frame_to_spare() -> None:
    sent = Sent(max_held_bytes=100)
    sent.subscription.hold()
    large = sent.broadcast('"' + "x" * 200 + '"')
    assert large.size > 200
    assert sent.overflows == 0
    sent.broadcast("1")
    assert sent.overflows == 1
    sent.subscription.release()
    assert len(sent.frames) == 1
