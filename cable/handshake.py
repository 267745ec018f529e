"""What a client shows before its first frame: token, sub-protocols, origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from cable.protocol import BASE_SUBPROTOCOL, EXTENDED_SUBPROTOCOL

Scope = Mapping[str, Any]

JID_PARAMETER = "jid"
JID_HEADER = "x-jid"
JID_SUBPROTOCOL = "anycable-token."
SID_PARAMETER = "sid"
RESTORE_HEADER = "x-anycable-restore-sid"


#: The longest that a client may ask for, seconds; half a minute is what proxies cut.
MAX_PING_INTERVAL = 60


class Pings(NamedTuple):
    """How often a client is pinged, seconds, and the unit of the time stamp: s, ms or ns."""

    interval: float
    precision: str


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

    def __post_init__(self) -> None:
        check_identity_key(self.key)


def check_identity_key(key: object) -> None:
    """Raises TypeError unless it is text, and ValueError if it is empty."""
    if not isinstance(key, str):
        raise TypeError(f"an identity's key must be text, such as 'acme:7', not {key!r:.100}")
    if not key:
        raise ValueError("an identity's key must not be empty: it names the user")


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


def find_pings(scope: Scope, *, interval: float) -> Pings:
    """`?pi=` (whole seconds) and `?ptp=` (s, ms, ns), as AnyCable has them; else `interval` and s.

    A value that is not possible is as none.
    """
    wanted, precision = query_parameter(scope, "pi"), query_parameter(scope, "ptp")
    if wanted and wanted.isascii() and wanted.isdigit():
        seconds = int(wanted[:4])
        interval = float(seconds) if 1 <= seconds <= MAX_PING_INTERVAL else interval
    return Pings(interval, precision if precision in ("ms", "ns") else "s")


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
    cookie must not be trusted then. Nor may a page that was loaded without encryption speak over
    an encrypted socket. The other way round is usual, where a proxy decrypts.
    """
    origin, host = header(scope, "origin"), header(scope, "host")
    if not origin or not host:
        return False
    allowed = ("https",) if scope.get("scheme") == "wss" else ("https", "http")
    scheme, separator, authority = origin.lower().partition("://")
    return bool(separator) and scheme in allowed and authority == host.lower()
