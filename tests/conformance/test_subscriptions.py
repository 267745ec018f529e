"""Subscribing: answers, order, rejection, duplicates, state and actions of a channel."""

from __future__ import annotations

import time

import pytest

from tests.conformance.client import Client, identifier
from tests.conformance.conftest import Connect
from tests.conformance.polling import wait_for
from tests.conformance.server import SUBSCRIBE_TIMEOUT, CableServer

pytestmark = pytest.mark.every_layer


async def rejected(client: Client, name: str) -> None:
    await client.send(command="subscribe", identifier=name)
    assert await client.next() == {"type": "reject_subscription", "identifier": name}


@pytest.mark.parametrize(
    "name",
    [
        '{"channel":"GreetingChannel","zebra":1,"apple":2}',
        '{"zebra":1,"apple":2,"channel":"GreetingChannel"}',
        '{ "channel" :\t"GreetingChannel", "n": 1.0e0 }',
        '{"channel":"GreetingChannel","text":"\\u00e9 \u00e9 \\/ \u2028 \U0001f600"}',
        '{"channel":"GreetingChannel","channel":"GreetingChannel"}',
    ],
)
async def test_identifier_is_echoed_byte_for_byte(connect: Connect, name: str) -> None:
    client = await connect()
    await client.subscribe(name)
    assert await client.message(name) == {"hello": "world"}


async def test_channel_rejects_and_what_it_transmitted_is_dropped(
    server: CableServer, connect: Connect, unique: str
) -> None:
    client = await connect(f"?jid={unique}")
    name = identifier("RejectChannel", stream=unique)
    await rejected(client, name)
    server.post("broadcast", stream=unique, message={"to": "nobody"})
    await client.nothing()
    await client.close()
    assert server.events(unique) == []


@pytest.mark.parametrize(
    "name",
    [
        '{"channel":"NoSuchChannel"}',
        '{"channel":"Channel"}',
        '{"channel":["StreamChannel"]}',
        '{"channel":null}',
        "{}",
        "[]",
        "null",
        "not JSON",
        "",
        '{"channel":"StreamChannel"',
        "[" * 30_000,
        '{"channel":"BrokenChannel"}',
        '{"channel":"StreamChannel","streams":7}',
        '{"channel":"StreamChannel","streams":[""]}',
        '{"channel":"StreamChannel","streams":["a\\nb"]}',
    ],
    ids=range(15),
)
async def test_what_cannot_be_subscribed_is_rejected_and_the_socket_stays(
    connect: Connect, name: str
) -> None:
    client = await connect()
    await rejected(client, name)
    await client.subscribe(identifier("StreamChannel"))


async def test_a_rejected_identifier_may_be_tried_again(connect: Connect, unique: str) -> None:
    client = await connect()
    for _ in range(2):
        await rejected(client, identifier("RejectChannel", stream=unique))


async def test_one_channel_with_different_params_is_two_subscriptions(connect: Connect) -> None:
    client = await connect()
    for name in ("ada", "eve"):
        greeting = identifier("GreetingChannel", name=name)
        await client.subscribe(greeting)
        assert await client.message(greeting) == {"hello": name}


async def test_second_subscribe_is_not_answered(connect: Connect) -> None:
    client = await connect()
    greeting = identifier("GreetingChannel")
    await client.subscribe(greeting)
    assert await client.message(greeting) == {"hello": "world"}
    await client.send(command="subscribe", identifier=greeting)
    await client.nothing()


async def test_subscribe_repeated_while_the_first_runs_is_answered_once(connect: Connect) -> None:
    client = await connect()
    slow = identifier("SlowChannel", seconds=0.5)
    for _ in range(3):
        await client.send(command="subscribe", identifier=slow)
    assert await client.next() == {"type": "confirm_subscription", "identifier": slow}
    await client.nothing()


async def test_subscribe_unsubscribe_subscribe_in_one_go(
    server: CableServer, connect: Connect, unique: str
) -> None:
    client = await connect()
    name = identifier("StreamChannel", streams=[unique])
    for command in ("subscribe", "unsubscribe", "subscribe"):
        await client.send(command=command, identifier=name)
    for _ in range(2):
        assert await client.next() == {"type": "confirm_subscription", "identifier": name}
    server.post("broadcast", stream=unique, message={"n": 1})
    assert await client.message(name) == {"n": 1}
    await client.nothing()


async def test_subscribed_that_hangs_is_rejected_before_clients_give_up(connect: Connect) -> None:
    client = await connect()
    started = time.monotonic()
    await rejected(client, identifier("SlowChannel", seconds=60))
    assert SUBSCRIBE_TIMEOUT - 0.2 < time.monotonic() - started < SUBSCRIBE_TIMEOUT + 1


async def test_state_first_then_changes_that_came_meanwhile_in_order(
    server: CableServer, connect: Connect, unique: str
) -> None:
    client = await connect()
    name = identifier("SnapshotChannel", stream=unique)
    await client.subscribe(name)
    assert await client.message(name) == {"snapshot": unique}
    for number in range(3):
        assert await client.message(name) == {"change": number}
    server.post("broadcast", stream=unique, message={"change": 3})
    assert await client.message(name) == {"change": 3}


async def test_transmit_of_a_falsy_value_is_an_error_that_names_it(connect: Connect) -> None:
    client = await connect()
    name = identifier("ActionChannel")
    await client.subscribe(name)
    await client.perform(name, "falsy")
    assert (await client.message(name))["error"].startswith("message 0 is 0 in JSON")


async def test_actions_with_and_without_arguments(connect: Connect) -> None:
    client = await connect()
    name = identifier("ActionChannel")
    await client.subscribe(name)
    await client.perform(name, "nothing")
    assert await client.message(name) == {"called": "nothing"}
    await client.perform(name, "nothing", surplus=1)
    assert await client.message(name) == {"called": "nothing"}
    await client.perform(name, "echo", text="héllo", list=[1, {"a": None}])
    assert await client.message(name) == {
        "called": "echo",
        "data": {"action": "echo", "text": "héllo", "list": [1, {"a": None}]},
    }
    await client.perform(name, text="no action")
    assert await client.message(name) == {"called": "receive", "data": {"text": "no action"}}


@pytest.mark.parametrize(
    "data",
    [
        '{"action":"secret"}',
        '{"action":"transmit","message":1}',
        '{"action":"subscribed"}',
        '{"action":"__init__"}',
        '{"action":"_hub"}',
        '{"action":"no_such_action"}',
        '{"action":["echo"]}',
        '{"action":null}',
        '{"action":"fail"}',
        "[]",
        "not JSON",
        "",
        "[" * 30_000,
        {"action": "echo"},
        None,
        7,
    ],
    ids=range(16),
)
async def test_what_is_no_action_has_no_effect_and_the_socket_stays(
    connect: Connect, data: object
) -> None:
    client = await connect()
    name = identifier("ActionChannel")
    await client.subscribe(name)
    await client.send(command="message", identifier=name, data=data)
    await client.perform(name, "nothing")
    assert await client.message(name) == {"called": "nothing"}


async def test_action_of_a_channel_that_is_not_open_has_no_effect(connect: Connect) -> None:
    client = await connect()
    await client.perform(identifier("ActionChannel"), "nothing")
    await client.nothing()


async def test_channel_keeps_state_between_commands(connect: Connect) -> None:
    client = await connect()
    one, two = (identifier("CounterChannel", id=number) for number in (1, 2))
    for name in (one, two):
        await client.subscribe(name)
    for _ in range(3):
        await client.perform(one, "increment")
    for name, count in ((one, 3), (two, 0)):
        await client.perform(name, "tell")
        assert await client.message(name) == {"count": count}


async def test_commands_run_in_order_across_subscriptions_unless_one_takes_long(
    connect: Connect, unique: str
) -> None:
    client = await connect(f"?jid={unique}")
    slow, quick = identifier("ActionChannel", id=1), identifier("ActionChannel", id=2)
    for name in (slow, quick):
        await client.subscribe(name)
    for seconds, order in ((0.05, (slow, quick)), (1, (quick, slow))):
        await client.perform(slow, "slow", seconds=seconds)
        await client.perform(slow, "nothing")
        await client.perform(quick, "nothing")
        for name in order:
            assert await client.message(name) == {"called": "nothing"}


async def test_unsubscribe_runs_the_callback_with_the_channels_state(
    server: CableServer, connect: Connect, unique: str
) -> None:
    client = await connect(f"?jid={unique}")
    name = identifier("CounterChannel", id=1)
    await client.subscribe(name)
    await client.perform(name, "increment")
    await client.send(command="unsubscribe", identifier=name)
    expected = [{"event": "unsubscribed", "key": unique, "id": 1, "count": 1}]
    await wait_for(lambda: server.events(unique) == expected)
    await client.subscribe(identifier("GreetingChannel"))  # the socket lives on


@pytest.mark.parametrize("abruptly", [False, True])
async def test_disconnect_runs_the_callback_of_every_subscription(
    server: CableServer, connect: Connect, unique: str, abruptly: bool
) -> None:
    client = await connect(f"?jid={unique}")
    for number in range(3):
        await client.subscribe(identifier("CounterChannel", id=number))
    if abruptly:
        client.socket.transport.abort()
    else:
        await client.close()
    await wait_for(lambda: len(server.events(unique)) == 3)
    assert [event["id"] for event in server.events(unique)] == [0, 1, 2]


async def test_commands_sent_before_the_client_left_still_run(
    server: CableServer, connect: Connect, unique: str
) -> None:
    client = await connect(f"?jid={unique}")
    actions, counter = identifier("ActionChannel"), identifier("CounterChannel", id=1)
    await client.subscribe(actions)
    await client.subscribe(counter)
    await client.perform(actions, "slow", seconds=0.3)
    await client.perform(counter, "increment")
    await client.close()
    await wait_for(lambda: len(server.events(unique)) == 2)
    assert server.events(unique) == [
        {"event": "slow", "key": unique},
        {"event": "unsubscribed", "key": unique, "id": 1, "count": 1},
    ]
