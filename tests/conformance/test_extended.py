"""AnyCable's extended protocol: sessions, history, and what a base client never sees."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.client import Client, identifier
from tests.conformance.conftest import Connect
from tests.conformance.server import CableServer
from tests.conformance.signing import sign

pytestmark = pytest.mark.every_layer


async def publish(server: CableServer, stream: str, *numbers: int) -> None:
    for number in numbers:
        await asyncio.to_thread(server.post, "broadcast", stream=stream, message={"n": number})


async def receive(client: Client, identifier_: str, stream: str, count: int) -> str:
    """Read so many messages; the stream's epoch."""
    for _ in range(count):
        _, epoch, _ = await client.positioned(identifier_, stream)
    return epoch


async def request(client: Client, identifier_: str, **history: Any) -> None:
    await client.send(command="history", identifier=identifier_, history=history)


def confirm(identifier_: str) -> dict[str, Any]:
    return {"type": "confirm_subscription", "identifier": identifier_}


def history(kind: str, identifier_: str) -> dict[str, Any]:
    return {"type": f"{kind}_history", "identifier": identifier_}


async def session_saved(
    server: CableServer, client: Client, holds: str | None, *, seconds: float = 10
) -> None:
    """Wait until the store's record of a session holds an identifier, or until it is gone."""
    async with asyncio.timeout(seconds):
        while True:
            found = await asyncio.to_thread(server.get, f"session?sid={client.welcome['sid']}")
            identifiers = found["identifiers"]
            if holds is None and identifiers is None:
                return
            if holds is not None and holds in (identifiers or []):
                return
            await asyncio.sleep(0.02)


# Handshake.


async def test_welcome_has_a_session_id_that_is_new_each_time(connect_extended: Connect) -> None:
    first, second = await connect_extended(), await connect_extended()
    for client in (first, second):
        assert client.welcome == {"type": "welcome", "sid": client.welcome["sid"]}
        assert client.socket.subprotocol == "actioncable-v1-ext-json"
    assert len(first.welcome["sid"]) >= 20
    assert first.welcome["sid"] != second.welcome["sid"]


async def test_token_offered_as_sub_protocol_is_not_echoed(
    server: CableServer, unique: str
) -> None:
    client = await Client.open(
        server.url, subprotocols=("actioncable-v1-ext-json", f"anycable-token.{unique}")
    )
    assert client.socket.subprotocol == "actioncable-v1-ext-json"
    assert (await client.next())["type"] == "welcome"
    await client.close()


async def test_ping_of_a_client_is_answered(connect_extended: Connect) -> None:
    client = await connect_extended()
    await client.send(command="pong")
    await client.send(command="ping")
    assert await client.next() == {"type": "pong"}


# History.


async def test_messages_have_positions_that_count_up(
    server: CableServer, connect_extended: Connect, unique: str
) -> None:
    client, channel = await connect_extended(), identifier("StreamChannel", streams=[unique])
    await client.subscribe(channel)
    await publish(server, unique, 1, 2, 3)
    got = [await client.positioned(channel, unique) for _ in range(3)]
    epoch = got[0][1]
    assert got == [({"n": n}, epoch, n) for n in (1, 2, 3)]


async def test_base_client_gets_the_same_messages_without_positions(
    server: CableServer, connect: Connect, connect_extended: Connect, unique: str
) -> None:
    base, extended = await connect(), await connect_extended()
    channel = identifier("StreamChannel", streams=[unique])
    await base.subscribe(channel)
    await extended.subscribe(channel)
    await publish(server, unique, 1)
    assert await base.message(channel) == {"n": 1}
    assert (await extended.positioned(channel, unique))[0] == {"n": 1}
    # Nor does it get an answer to what only extended clients may ask.
    await base.send(command="history", identifier=channel, history={"since": 0})
    await base.send(command="join", identifier=channel, presence={"id": "1"})
    await base.send(command="presence", identifier=channel)
    await base.nothing()


async def test_history_after_an_offset(
    server: CableServer, connect_extended: Connect, unique: str
) -> None:
    client, channel = await connect_extended(), identifier("StreamChannel", streams=[unique])
    await client.subscribe(channel)
    await publish(server, unique, 1, 2, 3)
    epoch = await receive(client, channel, unique, 3)
    await request(client, channel, streams={unique: {"epoch": epoch, "offset": 1}})
    assert await client.positioned(channel, unique) == ({"n": 2}, epoch, 2)
    assert await client.positioned(channel, unique) == ({"n": 3}, epoch, 3)
    assert await client.next() == history("confirm", channel)
    await client.nothing()


async def test_subscribe_with_history_since_a_time(
    server: CableServer, connect_extended: Connect, unique: str
) -> None:
    since = int(time.time())
    await publish(server, unique, 1, 2)
    client, channel = await connect_extended(), identifier("StreamChannel", streams=[unique])
    await client.send(command="subscribe", identifier=channel, history={"since": since})
    assert await client.next() == confirm(channel)
    assert (await client.positioned(channel, unique))[0] == {"n": 1}
    assert (await client.positioned(channel, unique))[0] == {"n": 2}
    assert await client.next() == history("confirm", channel)
    await publish(server, unique, 3)
    assert (await client.positioned(channel, unique))[0::2] == ({"n": 3}, 3)


async def test_state_comes_before_the_backlog_and_live_messages_after_it(
    server: CableServer, connect_extended: Connect, unique: str
) -> None:
    await publish(server, unique, 1)
    client, channel = await connect_extended(), identifier("SnapshotChannel", stream=unique)
    await client.send(command="subscribe", identifier=channel, history={"since": 1})
    assert await client.next() == confirm(channel)
    assert (await client.next())["message"] == {"snapshot": unique}
    assert (await client.positioned(channel, unique))[0::2] == ({"n": 1}, 1)
    assert await client.next() == history("confirm", channel)
    for number in range(3):
        assert (await client.positioned(channel, unique))[0::2] == ({"change": number}, number + 2)


@pytest.mark.parametrize("value", [None, {}, {"since": False}, {"since": False, "streams": {}}])
async def test_history_that_is_switched_off_is_confirmed_empty(
    server: CableServer, connect_extended: Connect, unique: str, value: Any
) -> None:
    await publish(server, unique, 1)
    client, channel = await connect_extended(), identifier("StreamChannel", streams=[unique])
    await client.send(command="subscribe", identifier=channel, history=value)
    assert await client.next() == confirm(channel)
    if value is not None:
        assert await client.next() == history("confirm", channel)
    await client.nothing()


async def test_just_before_the_oldest_kept_message_is_enough(
    server: CableServer, connect_extended: Connect, unique: str
) -> None:
    """Streams `short.*` keep five messages."""
    stream = f"short.{unique}"
    client, channel = await connect_extended(), identifier("StreamChannel", streams=[stream])
    await client.subscribe(channel)
    await publish(server, stream, *range(1, 9))
    epoch = await receive(client, channel, stream, 8)
    await request(client, channel, streams={stream: {"epoch": epoch, "offset": 3}})
    for number in range(4, 9):
        assert await client.positioned(channel, stream) == ({"n": number}, epoch, number)
    assert await client.next() == history("confirm", channel)


@pytest.mark.parametrize("lost", ["offset", "epoch", "future"])
async def test_lost_history_is_said_and_nothing_is_delivered(
    server: CableServer, connect_extended: Connect, unique: str, lost: str
) -> None:
    stream = f"short.{unique}"
    client, channel = await connect_extended(), identifier("StreamChannel", streams=[stream])
    await client.subscribe(channel)
    await publish(server, stream, *range(1, 9))
    epoch = await receive(client, channel, stream, 8)
    position = {
        "offset": {"epoch": epoch, "offset": 2},
        "epoch": {"epoch": "another", "offset": 8},
        "future": {"epoch": epoch, "offset": 9},
    }[lost]
    await request(client, channel, streams={stream: position})
    assert await client.next() == history("reject", channel)
    await publish(server, stream, 9)
    assert await client.positioned(channel, stream) == ({"n": 9}, epoch, 9)


async def test_lost_in_one_of_two_streams_delivers_nothing_of_the_other(
    server: CableServer, connect_extended: Connect, unique: str
) -> None:
    short, long = f"short.{unique}", unique
    client = await connect_extended()
    channel = identifier("StreamChannel", streams=[long, short])
    await publish(server, long, 1, 2)
    await publish(server, short, *range(8))
    await client.send(command="subscribe", identifier=channel, history={"since": 1})
    assert await client.next() == confirm(channel)
    assert await client.next() == history("reject", channel)
    await client.nothing()


@pytest.mark.parametrize(
    "value", [5, "all", [1], {"since": "now"}, {"streams": []}, {"streams": {"a": 1}}]
)
async def test_request_of_a_wrong_shape_is_rejected(
    connect_extended: Connect, unique: str, value: Any
) -> None:
    client, channel = await connect_extended(), identifier("StreamChannel", streams=[unique])
    await client.send(command="subscribe", identifier=channel, history=value)
    assert await client.next() == confirm(channel)
    assert await client.next() == history("reject", channel)
    await client.send(command="ping")
    assert await client.next() == {"type": "pong"}


async def test_history_of_a_stream_that_is_not_subscribed_is_not_told(
    server: CableServer, connect_extended: Connect, unique: str
) -> None:
    secret, own = f"secret.{unique}", unique
    client, channel = await connect_extended(), identifier("StreamChannel", streams=[own])
    await publish(server, secret, 1, 2)
    await client.subscribe(channel)
    await request(
        client,
        channel,
        since=1,
        streams={secret: {"epoch": "x", "offset": 0}, "": {"epoch": "x", "offset": 0}},
    )
    assert await client.next() == history("confirm", channel)
    await client.nothing()


async def test_stream_without_history_has_no_positions(
    server: CableServer, connect_extended: Connect, unique: str
) -> None:
    stream = f"plain.{unique}"
    await publish(server, stream, 1)
    client, channel = await connect_extended(), identifier("StreamChannel", streams=[stream])
    await client.send(command="subscribe", identifier=channel, history={"since": 1})
    assert await client.next() == confirm(channel)
    # Nobody can say that nothing was missed.
    assert await client.next() == history("reject", channel)
    await publish(server, stream, 2)
    assert await client.message(channel) == {"n": 2}


# Sessions.


async def test_session_is_taken_up_and_its_history_repaired(
    server: CableServer, connect_extended: Connect, unique: str
) -> None:
    client = await connect_extended(f"?jid={unique}")
    channel = identifier("StreamChannel", streams=[unique])
    await client.subscribe(channel)
    await publish(server, unique, 1)
    _, epoch, offset = await client.positioned(channel, unique)
    await session_saved(server, client, channel)
    await client.cut()
    await publish(server, unique, 2)
    again = await connect_extended(f"?jid={unique}&sid={client.welcome['sid']}")
    assert again.welcome == {
        "type": "welcome",
        "sid": again.welcome["sid"],
        "restored": True,
        "restored_ids": [channel],
    }
    assert again.welcome["sid"] != client.welcome["sid"]
    # Live messages wait until the history was asked for.
    await publish(server, unique, 3)
    await again.nothing()
    await request(again, channel, streams={unique: {"epoch": epoch, "offset": offset}})
    assert await again.positioned(channel, unique) == ({"n": 2}, epoch, 2)
    assert (await again.next()) in (
        history("confirm", channel),
        {
            "identifier": channel,
            "message": {"n": 3},
            "stream_id": unique,
            "epoch": epoch,
            "offset": 3,
        },
    )
    await again.next()
    await publish(server, unique, 4)
    assert await again.positioned(channel, unique) == ({"n": 4}, epoch, 4)


async def test_session_by_header_before_any_message_was_received(
    server: CableServer, connect_extended: Connect, unique: str
) -> None:
    client = await connect_extended(f"?jid={unique}")
    channel = identifier("StreamChannel", streams=[unique])
    await client.subscribe(channel)
    await session_saved(server, client, channel)
    await client.cut()
    await publish(server, unique, 1)
    again = await connect_extended(
        f"?jid={unique}&sid=", headers={"X-ANYCABLE-RESTORE-SID": client.welcome["sid"]}
    )
    assert again.welcome["restored_ids"] == [channel]
    # The client has no position; the session remembers where its stream was joined.
    await request(again, channel, since=int(time.time()) + 60, streams={})
    assert (await again.positioned(channel, unique))[0::2] == ({"n": 1}, 1)
    assert await again.next() == history("confirm", channel)


@pytest.mark.parametrize("sid", ["", "unknown", "other", "told to go"])
async def test_session_that_is_not_ours_is_not_taken_up(
    server: CableServer, connect_extended: Connect, unique: str, sid: str
) -> None:
    client = await connect_extended(f"?jid={unique}")
    channel = identifier("StreamChannel", streams=[unique])
    await client.subscribe(channel)
    await session_saved(server, client, channel)
    if sid == "told to go":
        await asyncio.to_thread(server.post, "disconnect", key=unique, reconnect=True)
        assert (await client.next())["reason"] == "remote"
        await session_saved(server, client, None)
    else:
        await client.cut()
    key = "another" if sid == "other" else unique
    wanted = client.welcome["sid"] if sid in ("other", "told to go") else sid
    again = await connect_extended(f"?jid={key}&sid={wanted}")
    assert again.welcome.keys() == {"type", "sid"}
    if sid == "other":
        # Nor is it spoilt for its owner.
        owner = await connect_extended(f"?jid={unique}&sid={wanted}")
        assert owner.welcome["restored_ids"] == [channel]


async def test_only_what_can_be_recovered_is_restored(
    server: CableServer, connect_extended: Connect, unique: str
) -> None:
    client = await connect_extended(f"?jid={unique}")
    kept = identifier("StreamChannel", streams=[unique])
    plain = identifier("StreamChannel", streams=[f"plain.{unique}"])
    for channel in (kept, plain):
        await client.subscribe(channel)
    await session_saved(server, client, kept)
    await client.cut()
    again = await connect_extended(f"?jid={unique}&sid={client.welcome['sid']}")
    assert again.welcome["restored_ids"] == [kept]
    await again.subscribe(plain)


async def test_session_id_of_a_base_client_means_nothing(
    server: CableServer,
    connect: Connect,
    connect_extended: Connect,
    unique: str,
) -> None:
    client = await connect_extended(f"?jid={unique}")
    channel = identifier("StreamChannel", streams=[unique])
    await client.subscribe(channel)
    await session_saved(server, client, channel)
    await client.cut()
    base = await connect(f"?jid={unique}&sid={client.welcome['sid']}")
    await base.subscribe(channel)


# Presence, whisper, signed streams.


async def test_sender_can_be_left_out(
    server: CableServer, connect_extended: Connect, unique: str
) -> None:
    first, second = await connect_extended(), await connect_extended()
    channel = identifier("SocialChannel", stream=unique)
    for client in (first, second):
        await client.subscribe(channel)
    await first.perform(channel, "to_others", text="hi")
    assert (await second.positioned(channel, unique))[0] == {"said": "hi"}
    await first.nothing()


async def test_whisper_reaches_the_others_only_and_is_in_no_history(
    server: CableServer, connect: Connect, connect_extended: Connect, unique: str
) -> None:
    first, second, base = await connect_extended(), await connect_extended(), await connect()
    channel = identifier("SocialChannel", stream=unique)
    other = identifier("SocialChannel", stream=unique, tab=2)
    await first.subscribe(channel)
    await second.subscribe(other)
    await base.subscribe(channel)
    await first.send(command="whisper", identifier=channel, data={"typing": True})
    assert await second.message(other) == {"typing": True}
    assert await base.message(channel) == {"typing": True}
    await first.nothing()
    await request(second, other, since=1)
    assert await second.next() == history("confirm", other)


async def test_whisper_where_none_is_allowed_goes_nowhere(
    connect_extended: Connect, unique: str
) -> None:
    first, second = await connect_extended(), await connect_extended()
    channel = identifier("StreamChannel", streams=[unique])
    for client in (first, second):
        await client.subscribe(channel)
    await first.send(command="whisper", identifier=channel, data={"typing": True})
    await second.nothing()


def presence(channel: str, message: dict[str, Any]) -> dict[str, Any]:
    return {"type": "presence", "identifier": channel, "message": message}


async def test_presence_joins_once_for_an_id_and_leaves_with_its_last_socket(
    connect: Connect, connect_extended: Connect, unique: str
) -> None:
    watcher, base = await connect_extended(), await connect()
    channel = identifier("SocialChannel", stream=unique)
    await watcher.subscribe(channel)
    await base.subscribe(channel)
    phones = [await connect_extended(), await connect_extended()]
    for phone in phones:
        await phone.send(
            command="subscribe",
            identifier=channel,
            presence={"id": "7", "info": {"name": "Ann"}},
        )
        assert await phone.next() == confirm(channel)
    joined = presence(channel, {"type": "join", "id": "7", "info": {"name": "Ann"}})
    assert await watcher.next() == joined
    await watcher.send(command="presence", identifier=channel, data={"return_records": True})
    assert await watcher.next() == presence(
        channel,
        {"type": "info", "total": 1, "records": [{"id": "7", "info": {"name": "Ann"}}]},
    )
    await phones[0].send(command="leave", identifier=channel)
    await watcher.nothing()
    await phones[1].send(command="unsubscribe", identifier=channel)
    assert await watcher.next() == presence(channel, {"type": "leave", "id": "7"})
    await base.nothing()


async def test_presence_through_actions_of_the_channel(
    connect_extended: Connect, unique: str
) -> None:
    name = identifier("SocialChannel", stream=unique)
    client, other = await connect_extended(), await connect_extended()
    for each in (client, other):
        await each.subscribe(name)
    await client.perform(name, "enter", id="7", info={"name": "Ada"})
    joined = {"type": "join", "id": "7", "info": {"name": "Ada"}}
    for each in (client, other):
        assert await each.next() == {"type": "presence", "identifier": name, "message": joined}
    await client.perform(name, "go")
    for each in (client, other):
        left = {"type": "leave", "id": "7"}
        assert await each.next() == {"type": "presence", "identifier": name, "message": left}


async def test_quiet_stream_is_not_reported_as_lost(
    make_server: Callable[..., CableServer], unique: str
) -> None:
    """Its messages are too old to be kept; nobody who has them all is told of a loss."""
    bounds = {"history_seconds": 0.3, "position_check_interval": 0.1}
    server = make_server("uvicorn", cable=bounds)
    name = identifier("StreamChannel", streams=[unique])
    client = await Client.extended(server.url)
    await client.subscribe(name)
    await asyncio.to_thread(server.post, "abroadcast", stream=unique, message={"n": 1})
    await asyncio.to_thread(server.post, "abroadcast", stream=unique, message={"n": 2})
    _, epoch, first = await client.positioned(name, unique)
    _, _, second = await client.positioned(name, unique)
    await asyncio.sleep(0.5)  # both are gone
    for offset, answer in ((second, "confirm_history"), (first, "reject_history")):
        later = await Client.extended(server.url)
        history = {"streams": {unique: {"epoch": epoch, "offset": offset}}}
        await later.send(command="subscribe", identifier=name, history=history)
        assert (await later.next())["type"] == "confirm_subscription"
        assert await later.next() == {"type": answer, "identifier": name}
        await later.close()
    await client.close()


async def test_subscription_that_was_denied_is_not_restored(
    server: CableServer, connect_extended: Connect, unique: str
) -> None:
    good = identifier("StreamChannel", streams=[unique])
    bad = identifier("RejectChannel", stream=unique)
    client = await connect_extended(f"?jid={unique}")
    await client.send(command="subscribe", identifier=bad)
    assert (await client.next())["type"] == "reject_subscription"
    await client.subscribe(good)
    await session_saved(server, client, good)
    await client.cut()
    later = await connect_extended(f"?jid={unique}&sid={client.welcome['sid']}")
    assert later.welcome["restored"] is True
    assert later.welcome["restored_ids"] == [good]


async def test_presence_of_a_cut_socket_ends_after_a_while(
    connect_extended: Connect, unique: str
) -> None:
    watcher, phone = await connect_extended(), await connect_extended()
    channel = identifier("SocialChannel", stream=unique)
    await watcher.subscribe(channel)
    await phone.subscribe(channel)
    await phone.send(command="join", identifier=channel, presence={"id": "7", "info": {}})
    assert (await watcher.next())["message"]["type"] == "join"
    await phone.cut()
    assert await watcher.next() == presence(channel, {"type": "leave", "id": "7"})


async def test_stream_name_without_signature_is_rejected(
    connect_extended: Connect, unique: str
) -> None:
    client = await connect_extended()
    for params in (
        {"stream_name": unique},
        {"signed_stream_name": unique},
        {"signed_stream_name": f"{unique}--{'0' * 64}"},
        {},
    ):
        channel = identifier("$pubsub", **params)
        await client.send(command="subscribe", identifier=channel)
        assert await client.next() == {"type": "reject_subscription", "identifier": channel}


async def test_signed_stream_is_subscribed(
    server: CableServer, connect_extended: Connect, unique: str
) -> None:
    client = await connect_extended()
    channel = identifier("$pubsub", signed_stream_name=sign(unique))
    await client.subscribe(channel)
    await publish(server, unique, 1)
    assert (await client.positioned(channel, unique))[0] == {"n": 1}
