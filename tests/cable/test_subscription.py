"""Order of what one subscription sends."""

from __future__ import annotations

import pytest

from cable import protocol
from cable.protocol import Frame
from tests.cable.sink import Sink

CONFIRM = {"type": "confirm_subscription", "identifier": "a"}


def broadcast(sink: Sink, encoded: str) -> Frame:
    frame = protocol.message(sink.prefix, encoded)
    sink.deliver(frame)
    return frame


def data(*messages: object) -> list[dict[str, object]]:
    return [{"identifier": "a", "message": message} for message in messages]


def test_confirmation_then_transmissions_then_broadcasts_each_in_order() -> None:
    sink = Sink()
    sink.hold()
    broadcast(sink, "1")
    sink.transmit('"one"')
    broadcast(sink, "2")
    sink.transmit('"two"')
    assert sink.frames == []
    sink.release(first=protocol.answer("confirm", "a"))
    broadcast(sink, "3")
    sink.transmit('"three"')
    assert sink.received == [CONFIRM, *data("one", "two", 1, 2, 3, "three")]


def test_replay_stands_between_transmissions_and_what_is_new() -> None:
    sink = Sink()
    sink.hold()
    broadcast(sink, "3")
    sink.transmit('"state"')
    sink.begin(protocol.answer("confirm", "a"))
    for missed in ("1", "2"):
        sink.replay(protocol.message(sink.prefix, missed))
    sink.release()
    assert sink.received == [CONFIRM, *data("state", 1, 2, 3)]


def test_broadcasts_wait_for_the_last_release_and_transmissions_for_the_first() -> None:
    sink = Sink()
    sink.hold()
    sink.hold()
    broadcast(sink, "1")
    sink.transmit('"one"')
    sink.release()
    assert sink.holding
    assert sink.received == data("one")
    broadcast(sink, "2")
    sink.release()
    assert not sink.holding
    assert sink.received == data("one", 1, 2)
    sink.release()  # once too often
    sink.hold()
    broadcast(sink, "3")
    assert sink.received == data("one", 1, 2)


def test_what_is_dropped_never_comes() -> None:
    sink = Sink()
    sink.hold()
    broadcast(sink, "1")
    sink.transmit('"one"')
    sink.drop()
    broadcast(sink, "2")
    assert sink.received == data(2)
    sink.hold()
    sink.release()
    assert sink.received == data(2)


def test_held_bytes_are_bounded_with_one_frame_to_spare() -> None:
    sink = Sink(max_held_bytes=100)
    sink.hold()
    large = broadcast(sink, '"' + "x" * 200 + '"')
    assert large.size > 200
    assert sink.overflows == 0
    broadcast(sink, "1")
    assert sink.overflows == 1
    sink.release()
    assert len(sink.frames) == 1
    sink.hold()  # what was sent counts no more
    broadcast(sink, "2")
    assert sink.overflows == 1


@pytest.mark.parametrize(
    ("extended", "history", "told"),
    [
        (True, True, [{"type": "reject_history", "identifier": "a"}]),
        (True, False, []),
        (False, True, []),
        (False, False, []),
    ],
)
def test_loss_is_told_to_those_who_understand_and_all_take_a_new_state(
    extended: bool, history: bool, told: list[object]
) -> None:
    sink = Sink(extended=extended)
    sink.signal_loss(history=history)
    assert sink.received == told
    assert sink.resyncs == 1
