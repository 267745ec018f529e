"""What extended clients get, and that base clients get nothing of it."""

from __future__ import annotations

import json

import pytest

from cable import Channel, abroadcast, protocol
from cable.hub import Hub
from tests.cable.channels import identifier
from tests.cable.conftest import Open
from tests.cable.polling import until
from tests.cable.unruly import OPTIONS, UnrulyStore

A = identifier("stream")


async def test_extended_client_gets_a_session_id_of_its_own(open_socket: Open) -> None:
    one, other = [await open_socket(extended=True) for _ in range(2)]
    assert one.subprotocol == "actioncable-v1-ext-json"
    assert one.sid != other.sid
    assert one.restored is None


async def test_base_client_gets_none_even_if_it_asks(open_socket: Open) -> None:
    socket = await open_socket(query="sid=anything")  # fails unless the welcome is bare
    assert socket.subprotocol == "actioncable-v1-json"


async def test_positions_are_told_to_extended_clients_only(
    open_socket: Open, store: UnrulyStore
) -> None:
    base, extended = await open_socket(), await open_socket(extended=True)
    for socket in (base, extended):
        await socket.subscribe(A)
    epoch = await store.epoch()
    for number in (1, 2):
        await abroadcast("stream", {"n": number})
        assert await base.next() == {"identifier": A, "message": {"n": number}}
        assert await extended.next() == {
            "identifier": A,
            "message": {"n": number},
            "stream_id": "stream",
            "epoch": epoch,
            "offset": number,
        }


async def test_stream_without_history_and_transmissions_have_no_position(
    open_socket: Open,
) -> None:
    socket = await open_socket(extended=True)
    channel = identifier("plain", state=1)
    await socket.subscribe(channel)
    assert await socket.next() == {"identifier": channel, "message": {"state": 1}}
    await abroadcast("plain", {"n": 1})
    assert await socket.next() == {"identifier": channel, "message": {"n": 1}}


IDENTIFIERS = [
    '{ "streams" : ["stream"],\t"channel":"Streams" }',
    '{"channel":"Streams","streams":["stream"],"é\\u00e9":"\\ud83d\\ude00😀","n":1.50}',
    '{"streams":["stream"],"channel":"Streams","channel":"Streams"}',
]


@pytest.mark.parametrize("verbatim", IDENTIFIERS)
async def test_identifier_comes_back_as_it_went(open_socket: Open, verbatim: str) -> None:
    socket = await open_socket(extended=True)
    await socket.subscribe(verbatim, history={"since": 1})
    assert await socket.next() == {"type": "confirm_history", "identifier": verbatim}
    await abroadcast("stream", {"n": 1})
    assert await socket.message(verbatim) == {"n": 1}
    socket.command("history", verbatim, history={"streams": {"stream": {"epoch": 1}}})
    assert await socket.next() == {"type": "reject_history", "identifier": verbatim}


class Crowd(Channel):
    """All that a client may do on a stream."""

    async def subscribed(self) -> None:
        await self.stream_from("stream", whisper=True, presence=True)

    async def resync(self) -> None:
        self.transmit({"resync": 1})


CROWD = '{"channel":"Crowd"}'


async def test_base_client_never_gets_a_frame_of_the_extension(
    hub: Hub, open_socket: Open, store: UnrulyStore
) -> None:
    """Rails' client would hand it to the application as a message."""
    base = await open_socket({"Crowd": Crowd})
    extended = await open_socket({"Crowd": Crowd}, extended=True)
    everything = {"history": {"since": 1}, "presence": {"id": "base"}}
    for socket in (base, extended):
        socket.command("subscribe", CROWD, **everything)
        assert await socket.next() == {"type": "confirm_subscription", "identifier": CROWD}
    assert await extended.next() == {"type": "confirm_history", "identifier": CROWD}
    assert (await extended.next())["message"] == {"type": "join", "id": "base", "info": None}
    for command in ("history", "join", "leave", "presence", "ping", "pong"):
        base.command(command, CROWD, data={"return_records": True}, **everything)
    await base.quiet()
    await abroadcast("stream", {"n": 1})
    # The store forgets: whoever knows of history is told.
    await store.world.store.restart("stream", OPTIONS)
    hub._on_interrupted()
    assert await extended.message(CROWD) == {"n": 1}
    assert await extended.next() == {"type": "reject_history", "identifier": CROWD}
    assert await extended.message(CROWD) == {"resync": 1}
    extended.command("leave", CROWD)
    await until(lambda: hub.presence.members == 0)
    extended.command("whisper", CROWD, data={"psst": 1})
    assert [await base.next() for _ in range(3)] == [
        {"identifier": CROWD, "message": {"n": 1}},
        {"identifier": CROWD, "message": {"resync": 1}},
        {"identifier": CROWD, "message": {"psst": 1}},
    ]
    await base.quiet()


async def test_ping_of_an_extended_client_is_answered(open_socket: Open) -> None:
    socket = await open_socket(extended=True)
    for command in ("pong", "ping"):
        text = json.dumps({"command": command})
        socket.to_application.put_nowait({"type": "websocket.receive", "text": text})
    assert await socket.next() == {"type": "pong"}
    await socket.quiet()


@pytest.mark.parametrize("restored", [[], ['{"channel":"A"}', '{ "é" : "\\" }']])
def test_welcome_frames(restored: list[str]) -> None:
    first = protocol.welcome(sid="s1")
    assert first.event["text"] == '{"type":"welcome","sid":"s1"}'
    frame = protocol.welcome(sid="s2", restored=restored)
    assert json.loads(frame.event["text"]) == {
        "type": "welcome",
        "sid": "s2",
        "restored": True,
        "restored_ids": restored,
    }
