"""The phones' fast door to `POST /api/v1/fixes/`, in front of Django.

A request of Django costs a millisecond and a thread, and each of its own commits several more.
Here a phone with a good access token is served on the event loop, and shares commits with others.
Whatever is not that, from an unknown host to a phone that was signed out, is handed on to Django,
which knows how to say what is wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from psycopg_pool import PoolTimeout, TooManyRequests

from dispatch.errors import BadInputError
from dispatch.tokens import Claims, TokenError, decode_access_token
from tenants.context import bind_schema, run_on_platform
from tenants.queries import Company, UnknownHostError, host_name, is_public_host, locate, recall
from tracking.actions import Busy, CompanyFailed, GroupCommit, NotSignedIn, Upload
from tracking.api.ingest import PostedFixes

logger = logging.getLogger(__name__)

PATH = "/api/v1/fixes/"

_UNAVAILABLE = (
    Busy,
    CompanyFailed,
    InterfaceError,
    OperationalError,
    PoolTimeout,
    TooManyRequests,
)


class FixesEndpoint:
    """ASGI middleware; `application` is Django."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != PATH or scope["method"] != "POST":
            await self._application(scope, receive, send)
            return
        caller = await _caller(scope["headers"])
        if caller is None:
            await self._application(scope, receive, send)
            return
        company, claims, technician_id = caller
        body = await _read(receive)
        if body is None:
            return  # the phone is gone
        with bind_schema(company.schema):
            try:
                await _answer(send, *await _record(company, claims, technician_id, body))
            except NotSignedIn:
                await self._application(scope, _again(body, receive), send)


async def _caller(headers: Sequence[tuple[bytes, bytes]]) -> tuple[Company, Claims, int] | None:
    """Whose phone it is; None unless it is a technician's of a company in service."""
    host, token = _header(headers, b"host"), _header(headers, b"authorization")
    scheme, _, token = token.partition(" ")
    if scheme.lower() != "bearer":
        return None
    name = host_name(host)
    if is_public_host(name):
        return None
    try:
        company = recall(name)
        if company is None:
            company = await run_on_platform(locate, name)
        claims = decode_access_token(token.strip(), company=company)
    except (UnknownHostError, TokenError, *_UNAVAILABLE):
        return None
    if not company.is_ready or claims.technician is None:
        return None
    return company, claims, claims.technician


async def _record(
    company: Company, claims: Claims, technician_id: int, body: bytes
) -> tuple[int, Any, dict[str, str]]:
    """Status, content and further headers of the answer; raises NotSignedIn."""
    try:
        posted = PostedFixes(body, technician_id=technician_id, now=timezone.now())
    except BadInputError as error:
        return error.status, {"errors": error.errors}, {}
    upload = Upload(company.schema, technician_id, claims.session, posted.fixes)
    try:
        recorded = await GroupCommit.current().record(upload)
    except _UNAVAILABLE as error:
        logger.warning("fixes of a phone are not stored: %r", error)
        detail = "the server cannot store fixes now; keep them and try again"
        again = str(settings.INGEST_RETRY_AFTER_SECONDS)
        return 503, {"detail": detail, "code": "unavailable"}, {"Retry-After": again}
    return (*posted.answer(recorded), {})


async def _read(receive: Any) -> bytes | None:
    """The whole body, which the server has bounded; None when the client left before its end."""
    pieces = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _again(body: bytes, receive: Any) -> Any:
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


async def _answer(send: Any, status: int, content: Any, more: Mapping[str, str]) -> None:
    body = msgspec.json.encode(content)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *((name.lower().encode(), value.encode()) for name, value in more.items()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _header(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> str:
    for key, value in headers:
        if key == name:
            return value.decode("latin-1")
    return ""
