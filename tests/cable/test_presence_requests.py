"""What clients and channels may ask of presence, and whispers."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cable import envelope, protocol
from cable.presence_messages import Decide
from cable.stats import stats
from tests.cable.presence import ERROR, Client, Process, info, joined, members
from tests.cable.stores import MemoryWorld


@pytest.fixture
async def alone() -> AsyncIterator[Process]:
    """A process whose store is its own."""
    process = Process(MemoryWorld().store, max_presence_info_bytes=20)
    yield process
    await process.keeper.close()


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (None, "Expected `object`"),
        ("ann", "Expected `object`"),
        ({}, "missing required field `id`"),
        ({"id": None}, "Expected `int | str`"),
        ({"id": True}, "Expected `int | str`"),
        ({"id": ""}, "must be text of 1 to 255 characters"),
        ({"id": "x" * 256}, "must be text of 1 to 255 characters"),
        ({"id": "\ud800"}, "surrogates not allowed"),
        ({"id": "ann", "info": "x" * 19}, "has 21 bytes; at most 20"),
        ({"id": "ann", "info": "ä" * 10}, "has 22 bytes; at most 20"),
    ],
)
async def test_bad_join_is_refused(
    alone: Process, raw: object, complaint: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client("1")
    refused = stats.commands_refused
    with caplog.at_level(logging.WARNING):
        await alone.keeper.join(client.subscription, raw)
    assert complaint in caplog.text
    assert client.frames == [ERROR]
    assert (alone.store.calls, alone.said, alone.keeper.members) == ([], [], 0)
    assert stats.commands_refused == refused + 1


async def test_longest_id_and_info_are_taken(alone: Process) -> None:
    client = Client("1")
    await alone.join(client, "x" * 255, "y" * 18)
    assert alone.heard() == [joined("x" * 255, '"' + "y" * 18 + '"')]
    assert client.frames == []


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(5000):
        value = [value]
    return value


async def test_info_that_is_nested_too_deeply_is_refused(alone: Process) -> None:
    client = Client("1")
    await alone.join(client, "ann", deep())
    assert client.frames == [ERROR]
    assert alone.said == []


async def test_where_no_presence_is_offered_a_join_is_refused(alone: Process) -> None:
    client = Client("1", stream=None)
    await alone.join(client)
    await alone.keeper.tell(client.subscription, {})
    await alone.keeper.leave(client.subscription)
    await alone.keeper.drop(client.subscription)
    assert client.frames == [ERROR, ERROR]
    assert (alone.store.calls, alone.said) == ([], [])
    with pytest.raises(ValueError, match="does not offer presence"):
        await alone.keeper.join_as(client.subscription, "ann", None)


async def test_channel_decides_id_and_info(alone: Process) -> None:
    client = Client("1")
    asked: list[tuple[str, Any]] = []

    def decide(id_: str, info: Any) -> tuple[str, Any]:
        asked.append((id_, info))
        return "user-7", {"at": info["at"]}

    raw = {"id": 4, "info": {"at": 1, "admin": True}}
    await alone.keeper.join(client.subscription, raw, decide)
    assert asked == [("4", {"at": 1, "admin": True})]
    assert alone.heard() == [joined("user-7", '{"at":1}')]
    assert client.frames == []


def _fails(id_: str, info: Any) -> tuple[str, Any]:
    raise LookupError("a bug")


@pytest.mark.parametrize(
    ("decide", "complaint"),
    [
        (lambda id_, info: None, "its channel says no"),
        (_fails, "LookupError: a bug"),
        (lambda id_, info: ("ann", object()), "Encoding objects of type object is unsupported"),
        (lambda id_, info: (7, None), "presence id 7 must be text"),
    ],
)
async def test_channel_refuses(
    alone: Process, decide: Decide, complaint: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client("1")
    with caplog.at_level(logging.WARNING):
        await alone.keeper.join(client.subscription, {"id": "ann"}, decide)
    assert complaint in caplog.text
    assert client.frames == [ERROR]
    assert (alone.said, alone.keeper.members) == ([], 0)


async def test_application_joins_for_its_client(alone: Process) -> None:
    client = Client("1")
    await alone.keeper.join_as(client.subscription, "ann", {"on": True})
    assert alone.heard() == [joined("ann", '{"on":true}')]
    with pytest.raises(ValueError, match="presence id mismatch"):
        await alone.keeper.join_as(client.subscription, "bob", None)
    with pytest.raises(ValueError, match="at most 20"):
        await alone.keeper.join_as(client.subscription, "ann", "x" * 20)
    with pytest.raises(ValueError, match="nested too deeply"):
        await alone.keeper.join_as(client.subscription, "ann", deep())
    with pytest.raises(TypeError):
        await alone.keeper.join_as(client.subscription, "ann", object())
    assert (alone.heard(), client.frames) == ([], [])
    assert await members(alone) == {"ann": '{"on":true}'}


async def test_client_is_told_who_is_present(alone: Process) -> None:
    asking = Client("3")
    await alone.keeper.tell(asking.subscription, {})
    assert asking.frames == [info()]
    await alone.join(Client("1"), 'a"n', {"n": [1, None]})
    await alone.join(Client("2"), "bob")
    for raw in ({"return_records": True}, {}, None, [1]):
        asking.frames.clear()
        await alone.keeper.tell(asking.subscription, raw)
        (frame,) = asking.frames
        frame["message"]["records"].sort(key=lambda record: record["id"])
        assert frame == info(('a"n', {"n": [1, None]}), ("bob", None))
    asking.frames.clear()
    await alone.keeper.tell(asking.subscription, {"return_records": False})
    assert asking.frames == [
        {"type": "presence", "identifier": "i", "message": {"type": "info", "total": 2}}
    ]


@pytest.mark.parametrize(
    ("bounds", "told"),
    # A record takes 31 bytes with its comma.
    [
        ({"max_presence_records": 2}, 2),
        ({"max_payload_bytes": 62}, 2),
        ({"max_payload_bytes": 61}, 1),
    ],
)
async def test_answer_is_bounded_and_its_total_true(bounds: dict[str, int], told: int) -> None:
    process = Process(MemoryWorld().store, **bounds)
    asking = Client("0")
    for id_ in ("a", "b", "c"):
        await process.join(Client(id_), id_, "ä" * 5)
    await process.keeper.tell(asking.subscription, {})
    (frame,) = asking.frames
    assert frame["message"]["total"] == 3
    records = frame["message"]["records"]
    assert len(records) == told
    for record in records:
        assert record in [{"id": id_, "info": "äääää"} for id_ in ("a", "b", "c")]
    await process.keeper.close()


async def test_who_leaves_while_the_client_is_told_leaves_after_it(alone: Process) -> None:
    client = Client("1")
    await alone.join(client)

    async def leaves_meanwhile(stream: str) -> dict[str, str]:
        frame = protocol.presence(client.subscription.prefix, '{"type":"leave","id":"ann"}')
        client.subscription.deliver(frame)
        return {"ann": "1"}

    alone.store.presence_members = leaves_meanwhile  # type: ignore[method-assign]
    await alone.keeper.tell(client.subscription, {})
    assert client.frames == [
        info(("ann", 1)),
        {"type": "presence", "identifier": "i", "message": {"type": "leave", "id": "ann"}},
    ]
    assert not client.subscription.holding


async def test_whisper_goes_to_all_but_its_sender(alone: Process) -> None:
    client = Client("1")
    whispers = stats.whispers
    await alone.keeper.whisper(client.subscription, {"at": [1, 2], "who": "ä"})
    assert alone.heard() == [envelope.whisper("s", '{"at":[1,2],"who":"ä"}', exclude="1")]
    assert client.frames == []
    assert stats.whispers == whispers + 1


@pytest.mark.parametrize("data", [None, False, 0, "", "x" * 9])
async def test_whisper_that_clients_drop_or_that_is_too_large(data: object) -> None:
    process = Process(MemoryWorld().store, max_message_bytes=10)
    client = Client("1")
    before = (stats.whispers, stats.commands_refused)
    await process.keeper.whisper(client.subscription, data)
    assert process.said == client.frames == []
    assert (stats.whispers, stats.commands_refused) == (before[0], before[1] + 1)
    await process.keeper.whisper(client.subscription, "x" * 8)
    assert process.heard() == [envelope.whisper("s", '"xxxxxxxx"', exclude="1")]


async def test_whisper_that_the_channel_does_not_take(alone: Process) -> None:
    client = Client("1", stream=None)
    await alone.keeper.whisper(client.subscription, {"at": 1})
    assert (alone.said, client.frames) == ([], [])
