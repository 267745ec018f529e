"""What a client shows before its first frame: token, sub-protocols, origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cable.protocol import BASE_SUBPROTOCOL, EXTENDED_SUBPROTOCOL

Scope = Mapping[str, Any]

JID_PARAMETER = "jid"
JID_HEADER = "x-jid"
JID_SUBPROTOCOL = "anycable-token."
SID_PARAMETER = "sid"
RESTORE_HEADER = "x-anycable-restore-sid"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who is connected; subclass it to carry more.

    `key` names the user in logs and for `disconnect_identity`; it must be unique over the whole
    server, so put the company into it. `group` names those whose sockets are counted together
    (the company). `expires_at` is the UNIX time at which the socket is told `token_expired`; None
    is never.
    """

    key: str
    group: str | None = None
    expires_at: float | None = None


def header(scope: Scope, name: str) -> str | None:
    """The first value of a request header, or None. `name` in lower case."""
    wanted = name.encode("latin-1")
    for key, value in scope["headers"]:
        if key == wanted:
            return bytes(value).decode("latin-1")
    return None


def query_parameter(scope: Scope, name: str) -> str | None:
    """The first value of a query parameter; None when it is absent or empty."""
    query = bytes(scope.get("query_string", b"")).decode("latin-1")
    values = parse_qs(query).get(name)
    return values[0] if values else None


def find_token(scope: Scope) -> str | None:
    """The client's token: `?jid=`, else the header `X-JID`, else the sub-protocol."""
    if token := query_parameter(scope, JID_PARAMETER) or header(scope, JID_HEADER):
        return token
    for offered in scope.get("subprotocols", []):
        if offered.startswith(JID_SUBPROTOCOL):
            return str(offered.removeprefix(JID_SUBPROTOCOL)) or None
    return None


def find_session_id(scope: Scope) -> str | None:
    """The session that an extended client wants back: the header, else `?sid=`.

    Clients send `sid=` once they were told to disconnect; that is none.
    """
    return header(scope, RESTORE_HEADER) or query_parameter(scope, SID_PARAMETER)


def select_subprotocol(scope: Scope) -> str | None:
    """The protocol to answer with: the first of ours that the client offers, never the token.

    None when ours are not offered: as in Rails, the socket opens without one and is served all
    the same; a client that insists closes by itself.
    """
    for offered in scope.get("subprotocols", []):
        if offered in (BASE_SUBPROTOCOL, EXTENDED_SUBPROTOCOL):
            return str(offered)
    return None


def is_same_origin(scope: Scope) -> bool:
    """Whether a page of this very host opened the socket, by Origin and Host.

    A browser always sends Origin with a WebSocket, so a missing one is not a browser: a session
    cookie must not be trusted then.
    """
    origin, host = header(scope, "origin"), header(scope, "host")
    if not origin or not host:
        return False
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False  # brackets that are no address
