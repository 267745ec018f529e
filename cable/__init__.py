"""Real time for Django: Action Cable's protocol on Django Channels' layers.

A channel is a class; a client subscribes to it by name with parameters:

    from cable import Channel, action

    class RoomChannel(Channel):
        async def subscribed(self) -> None:
            self.room = await Room.objects.filter(id=self.params.get("room")).afirst()
            if self.room is None:
                return self.reject()
            await self.stream_from(f"room.{self.room.id}")     # first listen,
            self.transmit({"topic": await read_topic(self.room)})  # then tell the state

        @action
        async def speak(self, data: dict[str, Any]) -> None:
            await abroadcast(f"room.{self.room.id}", {"text": str(data["text"])})

Any code of any process sends to a stream, after its transaction commits:

    from cable import broadcast

    broadcast(f"room.{room.id}", {"text": "hello"})   # in coroutines: await abroadcast(…)

The wiring makes the ASGI application:

    async def authenticate(scope: Scope, token: str | None) -> Identity:
        user_id, expires_at = read_token(token)       # raises Unauthorized("token_expired")
        return Identity(key=str(user_id), expires_at=expires_at)

    cable = CableApplication(channels={"RoomChannel": RoomChannel}, authenticate=authenticate)
    application = ProtocolTypeRouter(
        {"http": get_asgi_application(), "websocket": URLRouter([path("cable", cable)])}
    )

In the browser, with the client of AnyCable or Rails unchanged:

    const cable = createCable("wss://example.com/cable?jid=" + token)
    cable.subscribeTo("RoomChannel", { room: 42 }).on("message", show)

Bounds and timers are in the setting `CABLE`; see `cable.conf.CableSettings`. Any Channels layer
serves; processes find each other through it.
"""

from cable.application import CableApplication
from cable.broadcast import (
    abroadcast,
    abroadcast_state,
    adisconnect_identity,
    broadcast,
    broadcast_state,
    disconnect_identity,
    flush_broadcasts,
)
from cable.channel import Channel, action
from cable.conflation import State
from cable.connection import Connection
from cable.errors import StreamUnavailable, Unauthorized
from cable.handshake import Identity, Scope, is_same_origin

__all__ = [
    "CableApplication",
    "Channel",
    "Connection",
    "Identity",
    "Scope",
    "State",
    "StreamUnavailable",
    "Unauthorized",
    "abroadcast",
    "abroadcast_state",
    "action",
    "adisconnect_identity",
    "broadcast",
    "broadcast_state",
    "disconnect_identity",
    "flush_broadcasts",
    "is_same_origin",
]
