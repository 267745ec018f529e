"""What a client missed: before what is new, all of it or nothing, never twice."""

from __future__ import annotations

from cable.hub import Hub
from tests.cable.asking import asked, at, numbers_until, said
from tests.cable.channels import identifier
from tests.cable.conftest import Open
from tests.cable.polling import until
from tests.cable.unruly import OPTIONS, UnrulyStore

A = identifier("stream")
CONFIRM = {"type": "confirm_subscription", "identifier": A}
CONFIRM_HISTORY = {"type": "confirm_history", "identifier": A}
REJECT_HISTORY = {"type": "reject_history", "identifier": A}


async def test_confirmation_then_state_then_backlog_then_the_answer_then_what_is_new(
    hub: Hub, open_socket: Open, store: UnrulyStore
) -> None:
    socket = await open_socket(extended=True)
    channel = identifier("stream", state=7)
    await said(1, 2)
    gate = store.gate("read")
    socket.command("subscribe", channel, history=await at(store, 0))
    await until(lambda: "read" in store.calls)
    await said(3)
    await until(lambda: hub.streams.get("stream").timeline.position == 3)
    assert socket.sent.empty()
    gate.set()
    epoch = await store.epoch()
    assert [await socket.next() for _ in range(6)] == [
        {"type": "confirm_subscription", "identifier": channel},
        {"identifier": channel, "message": {"state": 7}},
        *(
            {
                "identifier": channel,
                "message": {"n": number},
                "stream_id": "stream",
                "epoch": epoch,
                "offset": number,
            }
            for number in (1, 2)
        ),
        {"type": "confirm_history", "identifier": channel},
        {
            "identifier": channel,
            "message": {"n": 3},
            "stream_id": "stream",
            "epoch": epoch,
            "offset": 3,
        },
    ]
    await socket.quiet()


async def test_history_of_an_open_subscription_holds_what_is_new(
    hub: Hub, open_socket: Open, store: UnrulyStore
) -> None:
    socket = await open_socket(extended=True)
    await said(1)
    await socket.subscribe(A)
    await said(2)
    assert await socket.message(A) == {"n": 2}
    gate = store.gate("read")
    socket.command("history", A, history=await at(store, 0))
    await until(lambda: "read" in store.calls)
    await said(3)
    await until(lambda: hub.streams.get("stream").timeline.position == 3)
    assert socket.sent.empty()
    gate.set()
    assert await numbers_until(socket, CONFIRM_HISTORY) == [1, 2]
    assert await socket.message(A) == {"n": 3}
    await socket.quiet()


async def test_those_who_ask_at_the_same_time_read_the_store_once(
    open_socket: Open, store: UnrulyStore
) -> None:
    await said(1, 2)
    sockets = [await open_socket(extended=True) for _ in range(5)]
    gate = store.gate("read")
    for socket in sockets:
        socket.command("subscribe", A, history=await at(store, 1))
    await until(lambda: "read" in store.calls)
    gate.set()
    for socket in sockets:
        assert await socket.next() == CONFIRM
        assert await numbers_until(socket, CONFIRM_HISTORY) == [2]
    assert store.calls.count("read") == 1


async def test_all_streams_or_none(open_socket: Open, store: UnrulyStore) -> None:
    await said(1, 2, stream="one")
    await said(1, 2, stream="two")
    channel = identifier("one", "two", "plain")
    good = (await at(store, 1, "one"))["streams"] | (await at(store, 0, "two"))["streams"]
    socket = await open_socket(extended=True)
    await socket.subscribe(channel, history={"streams": good})
    frames = [await socket.next() for _ in range(3)]
    assert [(frame["stream_id"], frame["offset"]) for frame in frames] == [
        ("one", 2),
        ("two", 1),
        ("two", 2),
    ]
    assert await socket.next() == {"type": "confirm_history", "identifier": channel}
    other = await open_socket(extended=True)
    bad = good | {"two": {"epoch": "another", "offset": 1}}
    await other.subscribe(channel, history={"streams": bad})
    assert await other.next() == {"type": "reject_history", "identifier": channel}
    await other.quiet()


async def test_client_that_was_ahead_of_this_process_sees_nothing_twice(
    hub: Hub, open_socket: Open, store: UnrulyStore
) -> None:
    """It got a message elsewhere that has not come here yet."""
    listener = await open_socket(extended=True)
    await listener.subscribe(A)
    await said(1)
    assert await listener.message(A) == {"n": 1}
    assert await store.keep('{"n":2}') == 2
    socket = await open_socket(extended=True)
    assert await asked(socket, A, await at(store, 2)) == []
    assert await listener.message(A) == {"n": 2}
    await said(3)
    assert await socket.message(A) == {"n": 3}
    assert await listener.message(A) == {"n": 3}


async def test_message_that_comes_while_its_owner_asks_is_not_sent_twice(
    hub: Hub, open_socket: Open, store: UnrulyStore
) -> None:
    """The subscription joins at 1, 2 comes live and is held; the client has 2 already."""
    await said(1)
    await (await open_socket()).subscribe(A)
    socket = await open_socket(extended=True)
    gate = store.gate("read")
    both = identifier("another", "stream")
    await said(1, stream="another")
    position = (await at(store, 2))["streams"] | (await at(store, 0, "another"))["streams"]
    socket.command("subscribe", both, history={"streams": position})
    await until(lambda: "read" in store.calls)
    await said(2)
    await until(lambda: hub.streams.get("stream").timeline.position == 2)
    gate.set()
    frames = [await socket.next() for _ in range(3)]
    assert [frame.get("type", frame.get("stream_id")) for frame in frames] == [
        "confirm_subscription",
        "another",
        "confirm_history",
    ]
    await socket.quiet()


async def test_store_that_is_away_lets_the_client_come_back(
    open_socket: Open, store: UnrulyStore
) -> None:
    await said(1)
    socket = await open_socket(extended=True)
    position = await at(store, 0)
    store.fails.add("read")
    socket.command("subscribe", A, history=position)
    # Unanswered, the client would give the channel up.
    assert await socket.next() == {"type": "confirm_subscription", "identifier": A}
    assert await socket.next() == {
        "type": "disconnect",
        "reason": "stream_interrupted",
        "reconnect": True,
    }
    assert await socket.next() == 1000


async def test_epoch_that_ends_while_the_history_is_read_is_told(
    open_socket: Open, store: UnrulyStore
) -> None:
    await said(1)
    socket = await open_socket(extended=True)
    position = await at(store, 0)
    gate = store.gate("read")
    socket.command("subscribe", A, history=position)
    await until(lambda: "read" in store.calls)
    await store.world.store.restart("stream", OPTIONS)
    gate.set()
    assert await socket.next() == CONFIRM
    assert await socket.next() == REJECT_HISTORY
    await socket.quiet()
