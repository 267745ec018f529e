"""The ASGI application: HTTP by Django, sockets by the cable."""

from __future__ import annotations

import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sera.settings")
django_http = get_asgi_application()  # before anything that imports models

from channels.routing import ProtocolTypeRouter  # noqa: E402
from django.conf import settings  # noqa: E402

from cable import CableApplication  # noqa: E402
from dispatch.sockets import around_command, authenticate  # noqa: E402
from sera.body_limit import BodyLimit  # noqa: E402
from sera.metrics import Metrics  # noqa: E402
from tracking.api.endpoint import FixesEndpoint  # noqa: E402
from tracking.api.formats import FormatsEndpoint  # noqa: E402
from tracking.channels import MapChannel, TechnicianChannel  # noqa: E402

cable = CableApplication(
    channels={"MapChannel": MapChannel, "TechnicianChannel": TechnicianChannel},
    authenticate=authenticate,
    around_command=around_command,
)


async def websocket(scope: Any, receive: Any, send: Any) -> None:
    """The cable at `/cable`; every other path is refused before the upgrade, with a 403."""
    if scope["path"] in ("/cable", "/cable/"):
        await cable(scope, receive, send)
    else:
        await receive()
        await send({"type": "websocket.close"})


http = Metrics(
    BodyLimit(FixesEndpoint(FormatsEndpoint(django_http)), max_bytes=settings.MAX_BODY_BYTES),
    token=settings.METRICS_TOKEN,
)
application = ProtocolTypeRouter({"http": http, "websocket": websocket})
