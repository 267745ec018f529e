"""Channels that do what the scenarios ask for."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

from django.conf import settings

from cable import Channel, Connection, Identity, Scope, State, Unauthorized, abroadcast, action
from cable.conflation import Filter
from cable.handshake import header, query_parameter
from cable.signing import PubSubChannel


def record(**event: object) -> None:
    """Append to the file that the tests read; it outlives the server."""
    with open(settings.EVENTS_FILE, "a", encoding="utf-8") as file:
        file.write(json.dumps(event) + "\n")


async def authenticate(scope: Scope, token: str | None) -> Identity:
    """Tokens are `KEY` or `KEY@UNIXTIME`; some keys misbehave."""
    need = query_parameter(scope, "need")
    if need == "cookie" and "user" not in SimpleCookie(header(scope, "cookie") or ""):
        raise Unauthorized
    if need == "header" and header(scope, "x-api-token") != "secret":
        raise Unauthorized
    if need == "token" and token is None:
        raise Unauthorized
    key, _, expires_at = (token or "anonymous").partition("@")
    if key == "stranger":
        raise Unauthorized
    if key == "crash":
        raise RuntimeError("the user database is away")
    if key == "slow":
        record(event="authenticating", key=key)
        await asyncio.sleep(0.5)
    if key == "hang":
        await asyncio.sleep(60)
    return Identity(key=key, expires_at=float(expires_at) if expires_at else None)


async def connected(connection: Connection) -> None:
    record(event="connected", key=f"socket of {connection.identity.key}")


async def disconnected(connection: Connection) -> None:
    record(event="disconnected", key=f"socket of {connection.identity.key}")


class RequestChannel(Channel):
    async def subscribed(self) -> None:
        scope = self.connection.scope
        self.transmit(
            {
                "path": scope["path"],
                "query": bytes(scope["query_string"]).decode(),
                "cookie": header(scope, "cookie"),
                "key": self.identity.key,
            }
        )


class GreetingChannel(Channel):
    async def subscribed(self) -> None:
        self.transmit({"hello": self.params.get("name", "world")})


class RejectChannel(Channel):
    async def subscribed(self) -> None:
        await self.stream_from(self.params["stream"])
        self.transmit({"secret": 1})
        self.reject()

    async def unsubscribed(self) -> None:
        record(event="unsubscribed", key=self.identity.key, channel="RejectChannel")


class CounterChannel(Channel):
    async def subscribed(self) -> None:
        self.count = 0

    async def unsubscribed(self) -> None:
        record(
            event="unsubscribed",
            key=self.identity.key,
            id=self.params.get("id"),
            count=self.count,
        )

    @action
    async def increment(self) -> None:
        self.count += 1

    @action
    async def tell(self, data: dict[str, Any]) -> None:
        self.transmit({"count": self.count})


class StreamChannel(Channel):
    async def subscribed(self) -> None:
        for stream in self.params.get("streams", []):
            await self.stream_from(stream)

    async def unsubscribed(self) -> None:
        record(event="unsubscribed", key=self.identity.key, channel=type(self).__name__)

    @action
    async def follow(self, data: dict[str, Any]) -> None:
        await self.stream_from(data["stream"])
        self.transmit({"following": data["stream"]})

    @action
    async def stop(self, data: dict[str, Any]) -> None:
        self.stop_stream(data["stream"])
        self.transmit({"stopped": data["stream"]})

    @action
    async def stop_all(self) -> None:
        self.stop_all_streams()
        self.transmit({"stopped": "all"})

    @action
    async def shout(self, data: dict[str, Any]) -> None:
        await abroadcast(data["stream"], {"shout": data["text"]})


class SnapshotChannel(Channel):
    """Changes arrive while the first state is being read."""

    async def subscribed(self) -> None:
        stream = self.params["stream"]
        await self.stream_from(stream)
        for number in range(3):
            await abroadcast(stream, {"change": number})
        await asyncio.sleep(0.3)
        self.transmit({"snapshot": stream})


class ResyncChannel(StreamChannel):
    async def resync(self) -> None:
        self.transmit({"resync": True})


class ActionChannel(Channel):
    @action
    async def nothing(self) -> None:
        self.transmit({"called": "nothing"})

    @action
    async def echo(self, data: dict[str, Any]) -> None:
        self.transmit({"called": "echo", "data": data})

    @action
    async def receive(self, data: dict[str, Any]) -> None:
        self.transmit({"called": "receive", "data": data})

    @action
    async def slow(self, data: dict[str, Any]) -> None:
        await asyncio.sleep(data["seconds"])
        record(event="slow", key=self.identity.key)

    @action
    async def fail(self) -> None:
        raise RuntimeError("the action is broken")

    @action
    async def falsy(self) -> None:
        try:
            self.transmit(0)
        except ValueError as error:
            self.transmit({"error": str(error)})

    @action
    async def bulk(self, data: dict[str, Any]) -> None:
        self.transmit({"filler": "x" * data["bytes"]})

    async def secret(self, data: dict[str, Any]) -> None:
        self.transmit({"called": "secret"})


class BrokenChannel(Channel):
    async def subscribed(self) -> None:
        raise RuntimeError("subscribed is broken")


class SlowChannel(Channel):
    async def subscribed(self) -> None:
        record(event="subscribing", key=self.identity.key)
        await asyncio.sleep(self.params["seconds"])


class SocialChannel(Channel):
    """Clients are present and whisper in its stream."""

    async def subscribed(self) -> None:
        await self.stream_from(self.params["stream"], whisper=True, presence=True)

    @action
    async def to_others(self, data: dict[str, Any]) -> None:
        sid = self.connection.sid
        await abroadcast(self.params["stream"], {"said": data["text"]}, exclude=sid)

    @action
    async def enter(self, data: dict[str, Any]) -> None:
        await self.join_presence(data["id"], data["info"])

    @action
    async def go(self) -> None:
        await self.leave_presence()


class StateChannel(Channel):
    """The state of a conflated stream, read from a file that the tests write."""

    async def subscribed(self) -> None:
        await self.stream_state(self.params["stream"], load=self._load, only=self._filter())

    async def _load(self) -> dict[str, State]:
        path = settings.EVENTS_FILE + "." + self.params["stream"]
        try:
            with open(path, encoding="utf-8") as file:
                items = json.load(file)
        except FileNotFoundError:
            return {}
        return {key: State(version, value) for key, (version, value) in items.items()}

    def _filter(self) -> Filter | None:
        below = self.params.get("below")
        return None if below is None else Below(below)

    @action
    async def pan(self, data: dict[str, Any]) -> None:
        self.show_only(self.params["stream"], Below(data["below"]))


@dataclass(frozen=True)
class Below:
    limit: int

    def __call__(self, value: Any) -> bool:
        return bool(value["x"] < self.limit)


CHANNELS: dict[str, type[Channel]] = {
    channel.__name__: channel
    for channel in (
        ActionChannel,
        BrokenChannel,
        CounterChannel,
        GreetingChannel,
        RejectChannel,
        RequestChannel,
        ResyncChannel,
        SlowChannel,
        SnapshotChannel,
        SocialChannel,
        StateChannel,
        StreamChannel,
    )
} | {"$pubsub": PubSubChannel}
