"""Frames: what is encoded, what is refused."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cable import protocol
from cable.protocol import Command, ProtocolError, decode_command, decode_object, encode_message

LIMIT = 1000


@pytest.mark.parametrize(
    ("message", "encoded"),
    [
        ({}, "{}"),
        ([], "[]"),
        ("0", '"0"'),
        (1, "1"),
        (True, "true"),
        ({"at": datetime(2026, 11, 22, 10, tzinfo=UTC)}, '{"at":"2026-11-22T10:00:00Z"}'),
        ({"id": UUID(int=1)}, '{"id":"00000000-0000-0000-0000-000000000001"}'),
        ({"price": Decimal("1.50")}, '{"price":"1.50"}'),
        (
            Command("x"),
            '{"command":"x","identifier":null,"data":null,"history":null,"presence":null}',
        ),
        ("é\u2028", '"é\u2028"'),
    ],
)
def test_message_encodes(message: object, encoded: str) -> None:
    assert encode_message(message, max_bytes=LIMIT) == encoded


@pytest.mark.parametrize("message", [None, False, 0, 0.0, -0.0, "", float("nan")], ids=repr)
def test_what_javascript_holds_for_false_is_refused_by_name(message: object) -> None:
    with pytest.raises(ValueError, match="which clients drop; wrap it in an object") as error:
        encode_message(message, max_bytes=LIMIT)
    assert repr(message) in str(error.value)


def test_message_is_bounded_in_bytes() -> None:
    assert len(encode_message("é" * 499, max_bytes=LIMIT)) == 501
    with pytest.raises(ValueError, match=r'message "éé.* has 1002 bytes; at most 1000'):
        encode_message("é" * 500, max_bytes=LIMIT)


@pytest.mark.parametrize("message", [object(), {"a": object()}, {1.5j}])
def test_message_without_json_form_is_a_type_error(message: object) -> None:
    with pytest.raises(TypeError, match="unsupported"):
        encode_message(message, max_bytes=LIMIT)


def test_lone_surrogate_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        encode_message("\ud800", max_bytes=LIMIT)


@given(st.text())
def test_identifier_survives_its_round_trip(identifier: str) -> None:
    frame = json.dumps({"command": "subscribe", "identifier": identifier})
    try:
        command = decode_command(frame.encode())
    except ProtocolError:
        assert any("\ud800" <= character <= "\udfff" for character in identifier)
        return
    assert command.identifier == identifier
    for text in (
        protocol.answer("confirm", identifier).event["text"],
        protocol.message(protocol.message_prefix(identifier), "7").event["text"],
    ):
        assert json.loads(text)["identifier"] == identifier


@given(st.binary(max_size=200))
def test_any_bytes_are_a_command_or_a_protocol_error(frame: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        assert isinstance(decode_command(frame), Command)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_any_json_is_an_object_or_a_protocol_error(value: object) -> None:
    with contextlib.suppress(ProtocolError):
        assert isinstance(decode_object(value, "data"), dict)


def test_deep_json_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError, match="nested too deeply"):
        decode_command(b'{"command":"x","deep":' + b"[" * 20_000)
    with pytest.raises(ProtocolError, match="data is nested too deeply"):
        decode_object("[" * 20_000, "data")


def test_server_frames() -> None:
    def text(frame: protocol.Frame) -> str:
        assert frame.event["type"] == "websocket.send"
        assert frame.size == len(frame.event["text"].encode())
        return frame.event["text"]

    assert text(protocol.welcome()) == '{"type":"welcome"}'
    assert text(protocol.ping(1694041735)) == '{"type":"ping","message":1694041735}'
    assert text(protocol.disconnect("remote", reconnect=True)) == (
        '{"type":"disconnect","reason":"remote","reconnect":true}'
    )
    assert text(protocol.answer("reject", '{"é":1}')) == (
        '{"identifier":"{\\"é\\":1}","type":"reject_subscription"}'
    )
    assert text(protocol.message(protocol.message_prefix("a"), '{"n":1}')) == (
        '{"identifier":"a","message":{"n":1}}'
    )


def test_encoded_message_is_one_json_value() -> None:
    """It is spliced into the frame as text, so it must never end the frame's object early."""
    encoded = encode_message(msgspec.Raw(b'{"n":1}'), max_bytes=LIMIT)
    assert encoded == '{"n":1}'
