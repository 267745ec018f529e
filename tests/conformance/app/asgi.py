"""The conformance application, wired as a product wires its own."""

from __future__ import annotations

import os

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.conformance.app.settings"
django.setup()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.urls import path  # noqa: E402

from cable import CableApplication  # noqa: E402
from tests.conformance.app.channels import CHANNELS, authenticate, connected, disconnected  # noqa: E402

cable = CableApplication(
    channels=CHANNELS,
    authenticate=authenticate,
    connected=connected,
    disconnected=disconnected,
)
route = path("cable", cable)  # type: ignore[arg-type]  # the stubs know only HTTP views
application = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": URLRouter([route])})
