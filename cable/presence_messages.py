"""What is said of presence: what clients ask for, and the messages that they get.

The messages are encoded JSON, as `cable.protocol.presence` takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import msgspec

from cable.protocol import encode_string

#: A channel's answer to a client that wants to be present under an id with an info: the id and
#: the info that it gets, or None to refuse it.
Decide = Callable[[str, Any], tuple[str, Any] | None]

#: Characters of an id; a longer one is a mistake (a document in place of a key).
MAX_ID = 255

ERROR = '{"type":"error"}'

_encoder = msgspec.json.Encoder()


class _Request(msgspec.Struct):
    id: str | int
    info: Any = None


def read_request(raw: Any, decide: Decide | None) -> tuple[str, Any]:
    """The id and the info of `{"id": text or integer, "info": any JSON}`, as `decide` has it.

    Raises:
        ValueError: it has another form, or `decide` refuses it.
        TypeError: `decide` returned something else.
    """
    try:
        request = msgspec.convert(raw, _Request)
    except msgspec.ValidationError as error:
        raise ValueError(f"presence: {error}") from error
    id_ = str(request.id)
    if decide is None:
        return id_, request.info
    decided = decide(id_, request.info)
    if decided is None:
        raise ValueError("its channel says no")
    if not isinstance(decided, tuple) or len(decided) != 2:
        raise TypeError(f"`presence_of` returned {decided!r:.100}; it must be (id, info) or None")
    return decided


def encode_info(id: str, info: object, *, max_bytes: int) -> str:  # noqa: A002 (the protocol's word)
    """The info as JSON.

    Raises:
        ValueError: the id is empty or too long; the info is too large or nested too deeply.
        TypeError: the info has no JSON form.
    """
    if not isinstance(id, str) or not 0 < len(id) <= MAX_ID:
        raise ValueError(f"presence id {id!r:.100} must be text of 1 to {MAX_ID} characters")
    encode_string(id)  # half a surrogate pair has no UTF-8
    try:
        encoded = _encoder.encode(info)
    except RecursionError as error:
        raise ValueError(f"the info of {id!r:.100} is nested too deeply") from error
    if len(encoded) > max_bytes:
        raise ValueError(
            f"the info of {id!r:.100} has {len(encoded)} bytes; "
            f"at most {max_bytes} (CABLE['max_presence_info_bytes'])"
        )
    return encoded.decode()


def joined(id: str, info: str) -> str:  # noqa: A002
    return f'{{"type":"join","id":{encode_string(id)},"info":{info}}}'


def left(id: str) -> str:  # noqa: A002
    return f'{{"type":"leave","id":{encode_string(id)}}}'


def told(members: Mapping[str, str], *, max_records: int, max_bytes: int) -> str:
    """Who is present (id → info as JSON). `total` counts all, records stop at either bound."""
    records: list[str] = []
    size = 0
    for id_, info in islice(members.items(), max_records):
        record = f'{{"id":{encode_string(id_)},"info":{info}}}'
        size += len(record.encode()) + 1
        if size > max_bytes:
            break
        records.append(record)
    return f'{{"type":"info","total":{len(members)},"records":[{",".join(records)}]}}'


def counted(members: Mapping[str, str]) -> str:
    """How many are present."""
    return f'{{"type":"info","total":{len(members)}}}'
