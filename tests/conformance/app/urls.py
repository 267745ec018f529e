"""What a test asks the server to do from outside of the socket."""

from __future__ import annotations

import asyncio
import json

import msgspec
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from cable import State, abroadcast, broadcast, broadcast_state, disconnect_identity
from cable.servers import is_draining
from cable.sessions import SessionRecord
from cable.store import get_store
from tests.conformance.app.channels import record


def send(request: HttpRequest) -> HttpResponse:
    order = json.loads(request.body)
    broadcast(order["stream"], order["message"])
    return HttpResponse(status=204)


async def asend(request: HttpRequest) -> HttpResponse:
    order = json.loads(request.body)
    await abroadcast(order["stream"], order["message"])
    return HttpResponse(status=204)


def send_state(request: HttpRequest) -> HttpResponse:
    order = json.loads(request.body)
    changes = {key: State(version, value) for key, (version, value) in order["changes"].items()}
    broadcast_state(order["stream"], changes)
    return HttpResponse(status=204)


def send_in_transaction(request: HttpRequest) -> HttpResponse:
    """Broadcast "inside" in a transaction, "before" on its own while that one is open."""
    order = json.loads(request.body)
    with transaction.atomic():
        broadcast(order["stream"], {"sent": "inside"})
        if order["rollback"]:
            transaction.set_rollback(True)
    broadcast(order["stream"], {"sent": "after"})
    return HttpResponse(status=204)


def disconnect(request: HttpRequest) -> HttpResponse:
    order = json.loads(request.body)
    disconnect_identity(order["key"], reconnect=order["reconnect"])
    return HttpResponse(status=204)


async def slow(request: HttpRequest) -> HttpResponse:
    record(event="request", key="http")
    await asyncio.sleep(json.loads(request.body)["seconds"])
    return HttpResponse(status=204)


def large(request: HttpRequest) -> HttpResponse:
    record(event="request", key="http")
    return HttpResponse(b"x" * 20_000_000)


def ready(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=503 if is_draining() else 200)


async def session(request: HttpRequest) -> HttpResponse:
    """The identifiers that a session would restore; null when there is none."""
    text = await get_store().load_session(request.GET["sid"])
    record = None if text is None else msgspec.json.decode(text, type=SessionRecord)
    identifiers = record and [entry.identifier for entry in record.subscriptions]
    return JsonResponse({"identifiers": identifiers})


async def drain(request: HttpRequest) -> HttpResponse:
    from tests.conformance.app.asgi import cable

    await cable.drain()
    return HttpResponse(status=204)


urlpatterns = [
    path("broadcast", send),
    path("abroadcast", asend),
    path("state", send_state),
    path("transaction", send_in_transaction),
    path("disconnect", disconnect),
    path("session", session),
    path("drain", drain),
    path("slow", slow),
    path("large", large),
    path("readyz", ready),
]
