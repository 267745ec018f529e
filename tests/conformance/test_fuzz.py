"""Whatever a client sends: no crash, no trace in the log, nothing of others, and life goes on."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from tests.conformance.client import BASE, EXTENDED, Client, identifier
from tests.conformance.server import CableServer

SECRET = "a stream of somebody else"
_text = st.text(max_size=20)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=8,
)
_identifiers = st.one_of(
    st.sampled_from(
        [
            identifier("StreamChannel", streams=["fuzz"]),
            identifier("StreamChannel", streams=["plain.fuzz"]),
            identifier("SocialChannel", stream="fuzz"),
            identifier("StateChannel", stream="fuzz.state"),
            identifier("ActionChannel"),
            identifier("$pubsub", stream_name=SECRET),
            identifier("$pubsub", signed_stream_name=SECRET),
        ]
    ),
    _text,
    st.builds(
        lambda params: json.dumps({"channel": "ActionChannel", **params}),
        st.dictionaries(_text, _json, max_size=2),
    ),
)
_position = st.fixed_dictionaries(
    {"epoch": _text | st.none(), "offset": st.integers() | st.floats(allow_nan=False) | _text}
)
_history = st.one_of(
    _json,
    st.fixed_dictionaries(
        {
            "since": _json,
            "streams": st.dictionaries(
                st.sampled_from(["fuzz", SECRET, "\x00"]), _position, max_size=2
            ),
        }
    ),
)
_commands = st.fixed_dictionaries(
    {
        "command": st.sampled_from(
            [
                "subscribe",
                "unsubscribe",
                "message",
                "history",
                "whisper",
                "join",
                "leave",
                "presence",
                "ping",
                "pong",
            ]
        )
        | _text
    },
    optional={
        "identifier": _identifiers,
        "data": _json
        | st.builds(json.dumps, _json)
        | st.builds(lambda data: json.dumps({"action": "echo", "data": data}), _json),
        "history": _history,
        "presence": _json | st.fixed_dictionaries({"id": _text | st.integers(), "info": _json}),
    },
)
_frames = st.one_of(_commands.map(json.dumps), _text, st.binary(max_size=20))


@given(frames=st.lists(_frames, max_size=12), extended=st.booleans())
@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_frames(server: CableServer, frames: list[str | bytes], extended: bool) -> None:
    traces = server.log.count("Traceback")
    asyncio.run(_send(server, frames, extended))
    assert server.log.count("Traceback") == traces
    assert server.process.poll() is None


async def _send(server: CableServer, frames: list[str | bytes], extended: bool) -> None:
    other = await Client.extended(server.url)
    name = identifier("GreetingChannel")
    hostile = await Client.open(server.url, subprotocols=EXTENDED if extended else BASE)
    await hostile.next()
    seen: list[dict[str, Any]] = []
    try:
        for frame in frames:
            await hostile.socket.send(frame)
        # The greeting is answered after all that came before it.
        await hostile.send(command="subscribe", identifier=name)
        while not seen or seen[-1].get("message") != {"hello": "world"}:
            seen.append(await hostile.next())
    except ConnectionClosed:
        # Only for what cannot be a mistake of a client: and then it is told.
        assert any(isinstance(frame, bytes) for frame in frames)
        assert seen[-1] == {"type": "disconnect", "reason": "invalid_request", "reconnect": False}
    if not extended:
        kinds = {frame.get("type") for frame in seen}
        assert kinds <= {None, "confirm_subscription", "reject_subscription", "disconnect"}
        assert not any("offset" in frame for frame in seen)
    assert not any(SECRET in json.dumps(frame.get("stream_id", "")) for frame in seen)
    await other.subscribe(name)
    assert await other.message(name) == {"hello": "world"}
    for client in (hostile, other):
        await client.close()
