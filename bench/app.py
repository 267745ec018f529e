"""Ours: the cable, with a channel that streams what its parameter names."""

from __future__ import annotations

import os
from functools import partial

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.settings")
django.setup()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402

from bench.positions import Viewport, first_positions  # noqa: E402
from cable import CableApplication, Channel, Identity, Scope, Unauthorized  # noqa: E402


class StreamChannel(Channel):
    async def subscribed(self) -> None:
        await self.stream_from(self.params["stream"])


class MapChannel(Channel):
    async def subscribed(self) -> None:
        viewport = self.params.get("viewport")
        await self.stream_state(
            self.params["stream"],
            load=partial(first_positions, self.params["technicians"]),
            only=None if viewport is None else Viewport(viewport),
        )


async def authenticate(scope: Scope, token: str | None) -> Identity:
    """Each client is a user of its own, named by its token."""
    if token is None:
        raise Unauthorized
    return Identity(key=token)


cable = CableApplication(
    channels={"StreamChannel": StreamChannel, "MapChannel": MapChannel}, authenticate=authenticate
)
route = path("cable", cable)  # type: ignore[arg-type]  # the stubs know only HTTP views
application = ProtocolTypeRouter({"websocket": URLRouter([route])})
