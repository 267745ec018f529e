"""The wire: `actioncable-v1-json` and `actioncable-v1-ext-json`, one JSON object a frame.

Rules come from the Action Cable protocol and AnyCable's extension of it, as their official clients
enforce them. The `identifier` is an opaque string: it is echoed as it came and never built anew,
because clients compare it. A base client never gets a frame of the extension: Rails' hands every
frame of an unknown type to the application.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

BASE_SUBPROTOCOL = "actioncable-v1-json"
EXTENDED_SUBPROTOCOL = "actioncable-v1-ext-json"

# What JavaScript holds for false. Clients test `if (message)`, so these would be lost silently.
_FALSY = frozenset({"null", "false", '""', "0", "0.0", "-0.0"})


class ProtocolError(ValueError):
    """A frame that is not a command of the protocol."""


class Command(msgspec.Struct, frozen=True):
    """What a client asks for. `data` of a `message` is JSON in a string, of others raw JSON.

    `history` and `presence` are checked where they are used: a client that gets one wrong still
    gets an answer to its subscribe.
    """

    command: str
    identifier: str | None = None
    data: Any = None
    history: Any = None
    presence: Any = None


class Frame:
    """One text frame, encoded once and shared by all sockets that it goes to.

    `event` is the ASGI event (never changed after construction), `size` its bytes on the wire,
    `at` the stream and offset of a message with history, `is_answer` whether a client waits for
    it, so that it must not be dropped.
    """

    __slots__ = ("at", "event", "is_answer", "size")

    def __init__(
        self, text: str, at: tuple[str, int] | None = None, *, is_answer: bool = False
    ) -> None:
        self.at = at
        self.is_answer = is_answer
        self.event = {"type": "websocket.send", "text": text}
        self.size = len(text) if text.isascii() else len(text.encode())


_command = msgspec.json.Decoder(Command)
_any = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()


def decode_command(frame: bytes) -> Command:
    """Decode a client's frame.

    Raises:
        ProtocolError: not JSON, nested too deeply, or not an object with a `command`.
    """
    try:
        return _command.decode(frame)
    except msgspec.MsgspecError as error:
        raise ProtocolError(str(error)) from error
    except RecursionError as error:
        raise ProtocolError("JSON is nested too deeply") from error


def decode_object(text: object, what: str) -> dict[str, Any]:
    """Decode JSON text that must be an object; `what` names it in the error.

    Raises:
        ProtocolError: it is anything else.
    """
    if not isinstance(text, str):
        raise ProtocolError(f"{what} must be JSON in a string, not {type(text).__name__}")
    try:
        value = _any.decode(text)
    except msgspec.MsgspecError as error:
        raise ProtocolError(f"{what} {text[:200]!r} is not JSON: {error}") from error
    except RecursionError as error:
        raise ProtocolError(f"{what} is nested too deeply") from error
    if not isinstance(value, dict):
        raise ProtocolError(f"{what} {text[:200]!r} must be a JSON object")
    return value


def encode_message(message: object, *, max_bytes: int) -> str:
    """Encode the `message` of a data frame: anything that msgspec turns into JSON.

    Raises:
        ValueError: false in JavaScript (clients would drop it), or more than `max_bytes`.
        TypeError: a type that has no JSON form.
    """
    encoded = _encoder.encode(message)
    if len(encoded) > max_bytes:
        raise ValueError(
            f"message {encoded[:60].decode(errors='replace')}… has {len(encoded)} bytes; "
            f"at most {max_bytes} (CABLE['max_payload_bytes'])"
        )
    text = encoded.decode()
    if text in _FALSY:
        raise ValueError(
            f"message {message!r} is {text} in JSON, which clients drop; wrap it in an object"
        )
    return text


def encode_string(value: str) -> str:
    """Encode a JSON string, quotes included."""
    return _encoder.encode(value).decode()


def welcome(*, sid: str | None = None, restored: Sequence[str] | None = None) -> Frame:
    """The first frame. An extended client gets its session's id; a restored one also the
    identifiers that it need not subscribe to again."""
    if sid is None:
        return Frame('{"type":"welcome"}')
    if restored is None:
        return Frame(f'{{"type":"welcome","sid":{encode_string(sid)}}}')
    ids = ",".join(map(encode_string, restored))
    return Frame(
        f'{{"type":"welcome","sid":{encode_string(sid)},"restored":true,"restored_ids":[{ids}]}}'
    )


def ping(seconds: int) -> Frame:
    """A sign of life with the UNIX time in whole seconds."""
    return Frame(f'{{"type":"ping","message":{seconds}}}')


def pong() -> Frame:
    """The answer to a client's own ping."""
    return Frame('{"type":"pong"}')


def disconnect(reason: str, *, reconnect: bool) -> Frame:
    flag = "true" if reconnect else "false"
    return Frame(f'{{"type":"disconnect","reason":{encode_string(reason)},"reconnect":{flag}}}')


def answer(
    kind: Literal["confirm", "reject"],
    identifier: str,
    *,
    to: Literal["subscription", "history"] = "subscription",
) -> Frame:
    """The one answer to a `subscribe`, or to a request for history (extended clients only)."""
    text = f'{{"identifier":{encode_string(identifier)},"type":"{kind}_{to}"}}'
    return Frame(text, is_answer=True)


def message_prefix(identifier: str) -> str:
    """What comes before the encoded message in a data frame of this identifier."""
    return f'{{"identifier":{encode_string(identifier)},"message":'


def message(
    prefix: str, encoded: str, position: str = "", at: tuple[str, int] | None = None
) -> Frame:
    """A data frame: `prefix` from `message_prefix`, `encoded` from `encode_message`.

    `position` from `stream_position`, for extended clients; `at` as in `Frame`.
    """
    return Frame(f"{prefix}{encoded}{position}}}", at)


def stream_position(stream: str, epoch: str, offset: int) -> str:
    """Where a message stands in its stream's history; clients ask from there on again."""
    return f',"stream_id":{encode_string(stream)},"epoch":{encode_string(epoch)},"offset":{offset}'


def presence(prefix: str, encoded: str) -> Frame:
    """Who came, left or is there; extended clients only."""
    return Frame(f'{{"type":"presence",{prefix[1:]}{encoded}}}')
