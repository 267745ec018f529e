"""`/metrics`: this process in Prometheus' form, for those who may read it."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address
from typing import Any

from prometheus_client import REGISTRY, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from cable.metrics import CableCollector
from sera.body_limit import Application, Receive, Send

# A second line for each counter, which nobody reads.
disable_created_metrics()  # type: ignore[no-untyped-call]
# Beside the cable's, the registry has the process's own: memory, CPU, open files, collections.
REGISTRY.register(CableCollector())

Headers = Sequence[tuple[bytes, bytes]]


class Metrics:
    """ASGI middleware that answers `GET /metrics` before Django, hosts and companies.

    With a token, only `Authorization: Bearer <token>` reads it. Without one, only peers on this
    machine that did not come through a proxy. For everybody else the path does not exist.

    Not in Django's middleware, whose synchronous part runs in threads: here nothing changes while
    it is read, and the answer comes also when all those threads wait.
    """

    def __init__(self, application: Application, *, token: str) -> None:
        self._application = application
        self._token = token.encode()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["path"] != "/metrics":
            await self._application(scope, receive, send)
        elif scope["method"] == "GET" and self._may_read(scope):
            accept = b",".join(_values(scope["headers"], b"accept"))
            encode, content_type = choose_encoder(accept.decode("latin-1"))
            await _answer(send, 200, encode(REGISTRY), content_type)
        else:
            await _answer(send, 404, b"", "text/plain")

    def _may_read(self, scope: Any) -> bool:
        headers: Headers = scope["headers"]
        if not self._token:
            return _is_loopback(scope["client"]) and not any(map(_is_forwarding, headers))
        given = _values(headers, b"authorization")
        if len(given) != 1:
            return False
        scheme, _, token = given[0].partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._token)


def _values(headers: Headers, name: bytes) -> list[bytes]:
    return [value for key, value in headers if key == name]


def _is_forwarding(header: tuple[bytes, bytes]) -> bool:
    """Whether a proxy added it, so that the peer's address is not the reader's.

    Forwarded, X-Forwarded-For, X-Real-IP, CF-Connecting-IP, Via and their like.
    """
    name = header[0]
    return b"forwarded" in name or name.endswith(b"-ip") or name == b"via"


def _is_loopback(client: Sequence[Any] | None) -> bool:
    """Whether the peer's address is one of this machine; of a Unix socket there is none."""
    try:
        address = ip_address(client[0]) if client else None
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address is not None and address.is_loopback


async def _answer(send: Send, status: int, body: bytes, content_type: str) -> None:
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
