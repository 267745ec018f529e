"""Numbered messages: their size, and how what arrives is counted."""

from __future__ import annotations

import ctypes
import json

import msgspec
import pytest

from bench.sequence import SequenceTally, make_message


def tally() -> tuple[SequenceTally, ctypes.Array[ctypes.c_ulonglong]]:
    counters = (ctypes.c_ulonglong * 2)()
    return SequenceTally(counters, 1), counters


@pytest.mark.parametrize("number", [1, 999_999_999])
def test_a_message_has_the_size_that_is_asked_for(number: int) -> None:
    message = make_message(number, 123_456_789, 200)
    assert len(msgspec.json.encode(message)) == 200


def test_arrivals_are_counted_for_each_socket_by_itself() -> None:
    counted_by, counters = tally()
    readers = counted_by.reader(), counted_by.reader()
    for reader, numbers in zip(readers, ([1, 2, 4, 4, 3, 3, 7], [1, 2, 3]), strict=True):
        for number in numbers:
            # As the baseline sends it, with spaces; and not at the beginning of what was read.
            data = b"before " + json.dumps(make_message(number, 1_000_000, 200)).encode()
            reader(data, 7, len(data), 3_500_000)
    counted = counted_by.take()
    assert counted.delivered == 10
    assert counted.duplicates == 2  # the second 4 and the second 3
    assert counted.disordered == 1  # the first 3
    assert list(counted.latencies) == [0.0025] * 10
    assert list(counters) == [0, 10]


def test_what_was_taken_is_not_counted_again_but_the_order_goes_on() -> None:
    counted_by, counters = tally()
    reader = counted_by.reader()
    for number in (1, 2):
        data = msgspec.json.encode(make_message(number, 0, 200))
        reader(data, 0, len(data), 1)
        assert counted_by.take().delivered == 1
    reader(data, 0, len(data), 1)
    assert counted_by.take().duplicates == 1
    assert counters[1] == 3
