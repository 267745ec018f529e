"""What the doors in front of Django share: from a request's host and body to its answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from django.conf import settings

from tenants.context import run_on_platform
from tenants.queries import Company, UnknownHostError, host_name, is_public_host, locate, recall

logger = logging.getLogger(__name__)

Headers = Sequence[tuple[bytes, bytes]]


class Reply(NamedTuple):
    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = {}


def json_reply(status: int, content: Any, **headers: str) -> Reply:
    """`headers` with `_` where their names have `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, msgspec.json.encode(content), headers=named)


def unavailable_reply(error: Exception) -> Reply:
    """503, with the seconds after which the phone may come again."""
    logger.warning("fixes of a phone are not stored: %r", error)
    detail = "the server cannot store fixes now; keep them and try again"
    again = str(settings.INGEST_RETRY_AFTER_SECONDS)
    return json_reply(503, {"detail": detail, "code": "unavailable"}, Retry_After=again)


async def company_at(headers: Headers) -> Company | None:
    """The company in service that answers at a request's host; None where there is none.

    Raises one of UNAVAILABLE.
    """
    name = host_name(header(headers, b"host"))
    if is_public_host(name):
        return None
    company = recall(name)
    if company is None:
        try:
            company = await run_on_platform(locate, name)
        except UnknownHostError:
            return None
    return company if company.is_ready else None


async def read_body(receive: Any) -> bytes | None:
    """The whole body, which the server has bounded; None when the client left before its end."""
    pieces = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def again(body: bytes, receive: Any) -> Any:
    """A `receive` that begins with a body that was read."""
    given = False

    async def receive_again() -> Mapping[str, Any]:
        nonlocal given
        if given:
            message: Mapping[str, Any] = await receive()
            return message
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


async def answer(send: Any, reply: Reply) -> None:
    headers = [
        (b"content-type", reply.content_type.encode()),
        (b"content-length", str(len(reply.body)).encode()),
        *((name.lower().encode(), value.encode()) for name, value in reply.headers.items()),
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def header(headers: Headers, name: bytes) -> str:
    """A header's first value, or nothing."""
    for key, value in headers:
        if key == name:
            return value.decode("latin-1")
    return ""
