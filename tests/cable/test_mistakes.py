"""Mistakes of an application's author, and what they are told."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from cable import (
    CableApplication,
    Channel,
    Identity,
    Scope,
    State,
    abroadcast,
    abroadcast_state,
    action,
)
from cable.hub import Hub
from tests.cable.channels import Streams, identifier
from tests.cable.conftest import Open, anybody
from tests.cable.polling import until


async def nobody(scope: Scope, token: str | None) -> None:
    pass


@pytest.mark.parametrize("name", ["subscribed", "unsubscribed", "resync"])
def test_callback_must_be_a_coroutine(name: str) -> None:
    with pytest.raises(TypeError, match=f"A_.{name} must be `async def`"):
        type("A_", (Channel,), {name: lambda self: None})


def test_presence_of_must_be_none() -> None:
    async def presence_of(self: Channel, id: str, info: object) -> None:  # noqa: A002
        pass

    with pytest.raises(TypeError, match=r"A_\.presence_of must not be `async def`"):
        type("A_", (Channel,), {"presence_of": presence_of})


@pytest.mark.parametrize("value", ["chat.RoomChannel", dict, None])
def test_application_takes_channels_only(value: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"channels\['Room'\] = .* subclass of cable"):
        CableApplication(channels={"Room": value}, authenticate=anybody)


@pytest.mark.parametrize(
    ("authenticate", "complaint"),
    [
        (lambda scope, token: Identity(key="a"), "`authenticate` must be `async def`"),
        (nobody, "`authenticate` returned None; it must return an Identity or raise"),
    ],
)
async def test_authenticate_that_answers_something_else_is_named(
    open_socket: Open, caplog: pytest.LogCaptureFixture, authenticate: Any, complaint: str
) -> None:
    socket = await open_socket(authenticate=authenticate, welcomed=False)
    assert await socket.next() == 4011
    assert complaint in caplog.text


async def test_reject_after_the_confirmation_is_a_mistake(
    open_socket: Open, caplog: pytest.LogCaptureFixture
) -> None:
    class Late(Channel):
        @action
        async def no(self) -> None:
            self.reject()

    socket = await open_socket({"Streams": Late})
    await socket.subscribe(identifier())
    socket.perform(identifier(), "no")
    await socket.quiet()
    assert "`reject` is for `subscribed`; later, raise Unauthorized()" in caplog.text


async def test_presence_of_that_answers_something_else_is_named(
    open_socket: Open, caplog: pytest.LogCaptureFixture
) -> None:
    class Present(Channel):
        async def subscribed(self) -> None:
            await self.stream_from("stream", presence=True)

        def presence_of(self, id: str, info: Any) -> Any:  # noqa: A002
            return "alice"

    socket = await open_socket({"Streams": Present}, extended=True)
    socket.command("subscribe", identifier(), presence={"id": "1"})
    assert (await socket.next())["type"] == "confirm_subscription"
    assert (await socket.next())["message"] == {"type": "error"}
    assert "`presence_of` returned 'alice'; it must be (id, info) or None" in caplog.text


async def test_message_to_a_stream_of_the_other_kind_is_warned_of(
    open_socket: Open, hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    class Conflated(Channel):
        async def subscribed(self) -> None:
            await self.stream_state("state", load=self.load)

        @staticmethod
        async def load() -> dict[str, State]:
            return {}

    socket = await open_socket({"Streams": Streams, "Conflated": Conflated})
    await socket.subscribe(identifier("ordered"))
    await socket.subscribe('{"channel":"Conflated"}')
    await socket.next()  # the snapshot
    await abroadcast("state", {"n": 1})
    await until(lambda: "stream state is conflated: a message to it reaches nobody" in caplog.text)
    hub.streams._warn_at = 0.0
    await abroadcast_state("ordered", {"a": State(1, 1)})
    await until(lambda: "stream ordered is ordered: a state of it reaches nobody" in caplog.text)
