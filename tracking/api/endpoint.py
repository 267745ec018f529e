"""The phones' fast door to `POST /api/v1/fixes/`, in front of Django.

A request of Django costs a millisecond and a thread, and each of its own commits several more.
Here a phone with a good access token is served on the event loop, and shares commits with others.
Whatever is not that, from an unknown host to a phone that was signed out, is handed on to Django,
which knows how to say what is wrong.
"""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from dispatch.errors import BadInputError
from dispatch.tokens import TokenError, decode_access_token
from tenants.context import bind_schema
from tracking.actions import NotSignedIn
from tracking.api.door import (
    Headers,
    Reply,
    again,
    answer,
    company_at,
    header,
    json_reply,
    read_body,
    unavailable_reply,
)
from tracking.uploads import UNAVAILABLE, Caller, PostedFixes, store

PATH = "/api/v1/fixes/"


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
        body = await read_body(receive)
        if body is None:
            return  # the phone is gone
        with bind_schema(caller.company.schema):
            try:
                await answer(send, await _record(caller, body))
            except NotSignedIn:
                await self._application(scope, again(body, receive), send)


async def _caller(headers: Headers) -> Caller | None:
    """Whose phone it is; None unless it is a technician's of a company in service."""
    scheme, _, token = header(headers, b"authorization").partition(" ")
    if scheme.lower() != "bearer":
        return None
    try:
        company = await company_at(headers)
        if company is None:
            return None
        claims = decode_access_token(token.strip(), company=company)
    except (TokenError, *UNAVAILABLE):
        return None
    if claims.technician is None:
        return None
    return Caller(company, claims.technician, claims.session)


async def _record(caller: Caller, body: bytes) -> Reply:
    """Raises NotSignedIn."""
    try:
        posted = PostedFixes.of_body(body, technician_id=caller.technician_id, now=timezone.now())
    except BadInputError as error:
        return json_reply(error.status, {"errors": error.errors})
    try:
        recorded = await store(caller, posted.fixes)
    except UNAVAILABLE as error:
        return unavailable_reply(error)
    return json_reply(*posted.answer(recorded))
