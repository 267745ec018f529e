"""The doors under `/ingest/`: uploads in the formats that apps send already, in front of Django.

They do as the native door does, with two differences. A key opens them too. And whatever belongs to
a company in service is answered here, because Django knows nothing of these formats; only other
hosts are handed on to it.

An app sends what was refused again and again, so anything that a known phone sends and that can be
told apart into items is answered with 200, whatever is wrong with them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from django.utils import timezone

from dispatch.errors import BadInputError, FieldError
from dispatch.tokens import TokenError
from tenants.context import bind_schema
from tenants.queries import Company
from tracking.actions import NotSignedIn, Recorded
from tracking.api.credentials import Credential, caller_of, forget, shown
from tracking.api.door import (
    Reply,
    answer,
    company_at,
    header,
    json_reply,
    read_body,
    unavailable_reply,
)
from tracking.fixes import FixForm
from tracking.formats import Item, osmand, overland, owntracks, transistorsoft
from tracking.measures import REJECTED
from tracking.uploads import UNAVAILABLE, BatchResults, Caller, store

logger = logging.getLogger(__name__)

CHALLENGE = 'Basic realm="Sera", charset="UTF-8"'


class Sent(NamedTuple):
    """A request: its query and its body."""

    query: bytes
    body: bytes


class Format(NamedTuple):
    """How an app's uploads are read and answered."""

    name: str
    methods: frozenset[str]
    read: Callable[..., list[Item]]
    reply: Callable[[BatchResults, Recorded], Reply]
    #: What an app whose users can set little else calls itself: its key.
    device: Callable[[Sent], str | None] = lambda _: None


def _of_body(read: Callable[..., list[Item]]) -> Callable[..., list[Item]]:
    return lambda sent, **context: read(sent.body, **context)


TRANSISTORSOFT = Format(
    "transistorsoft",
    frozenset({"POST"}),
    _of_body(transistorsoft.read),
    lambda batch, recorded: json_reply(200, transistorsoft.reply(batch.answer(recorded))),
    lambda sent: transistorsoft.device(sent.body),
)
OWNTRACKS = Format(
    "owntracks",
    frozenset({"POST"}),
    _of_body(owntracks.read),
    lambda *_: json_reply(200, []),  # what the app should show or do: nothing
)
OVERLAND = Format(
    "overland",
    frozenset({"POST"}),
    _of_body(overland.read),
    lambda *_: json_reply(200, {"result": "ok"}),  # at anything else it sends all again
)
OSMAND = Format(
    "osmand",
    frozenset({"GET", "POST"}),
    lambda sent, **context: osmand.read(osmand.read_fields(*sent), **context),
    lambda *_: Reply(200, b"OK", "text/plain"),
    lambda sent: osmand.device(osmand.read_fields(*sent)),
)
#: With or without a slash behind.
FORMATS: Mapping[str, Format] = {
    f"/ingest/{each.name}": each for each in (TRANSISTORSOFT, OWNTRACKS, OVERLAND, OSMAND)
}


class FormatsEndpoint:
    """ASGI middleware; `application` is what hosts of no company in service are left to."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        form = FORMATS.get(scope["path"].removesuffix("/"))
        if form is None:
            await self._application(scope, receive, send)
            return
        try:
            company = await company_at(scope["headers"])
            if company is None:
                await self._application(scope, receive, send)
                return
            with bind_schema(company.schema):
                reply = await _reply(form, company, scope, receive)
        except UNAVAILABLE as error:
            reply = unavailable_reply(error)
        if reply is not None:
            await answer(send, reply)


async def _reply(form: Format, company: Company, scope: Any, receive: Any) -> Reply | None:
    """None when the phone left before the end of its request. Raises one of UNAVAILABLE."""
    if scope["method"] not in form.methods:
        methods = sorted(form.methods)
        content = {"detail": f"send {' or '.join(methods)}", "code": "method_not_allowed"}
        return json_reply(405, content, Allow=", ".join(methods))
    headers = scope["headers"]
    if form is OSMAND and header(headers, b"content-type").startswith("application/json"):
        form = TRANSISTORSOFT  # as Traccar's server has it: its newer apps come to the same port
    body = await read_body(receive)
    if body is None:
        return None
    sent = Sent(scope["query_string"], body)
    try:
        credential = _credential(form, header(headers, b"authorization"), sent)
        try:
            caller = await caller_of(credential, company=company)
            batch = _read(form, sent, caller)
            recorded = await store(caller, batch.fixes)
        except NotSignedIn:
            forget(credential, company=company)
            raise TokenError("token_revoked", "this phone was signed out") from None
    except TokenError as error:
        return _refusal(error)
    except BadInputError as error:
        return json_reply(error.status, {"errors": error.errors})
    return form.reply(batch, recorded)


def _credential(form: Format, authorization: str, sent: Sent) -> Credential:
    """Raises TokenError where there is none, BadInputError where it cannot be looked for."""
    found = shown(authorization, osmand.read_fields(sent.query))
    device = form.device(sent) if found is None else None
    if device:
        found = Credential(device)
    if found is None:
        raise TokenError(
            "not_authenticated", "send a phone's key as bearer token, password or ?key="
        )
    return found


def _read(form: Format, sent: Sent, caller: Caller) -> BatchResults:
    """Raises BadInputError where there are no items, or too many."""
    batch = BatchResults()
    for item in form.read(sent, technician_id=caller.technician_id, now=timezone.now()):
        match item:
            case FixForm():
                batch.add_fix(item)
            case FieldError():
                batch.add_rejected([item])
            case None:
                batch.add_ignored()
    if batch.rejected:
        # Most of these apps cannot be told. Without values: they are of where somebody was.
        REJECTED.labels(form.name).inc(len(batch.rejected))
        wrong = batch.rejected[0]["errors"][0]
        logger.info(
            "%d items of %s from technician %d cannot be used; of the first, %s %s",
            len(batch.rejected),
            form.name,
            caller.technician_id,
            wrong["field"],
            wrong["message"],
        )
    return batch


def _refusal(error: TokenError) -> Reply:
    content = {"detail": error.detail, "code": error.code}
    if error.code == "not_a_technician":
        return json_reply(403, content)
    return json_reply(401, content, WWW_Authenticate=CHALLENGE)
