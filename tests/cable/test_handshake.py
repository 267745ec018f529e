"""What a client shows before its first frame."""

from __future__ import annotations

from typing import Any

import pytest

from cable import Identity, is_same_origin
from cable.handshake import Pings, find_pings


@pytest.mark.parametrize(
    ("query", "pings"),
    [
        ("", (3.0, "s")),
        ("pi=1", (1.0, "s")),
        ("pi=60&ptp=ms", (60.0, "ms")),
        ("ptp=ns", (3.0, "ns")),
        ("ptp=s", (3.0, "s")),
        ("pi=0", (3.0, "s")),
        ("pi=61", (3.0, "s")),
        ("pi=-1", (3.0, "s")),
        ("pi=1.5", (3.0, "s")),
        ("pi=1e1", (3.0, "s")),
        ("pi=%C2%B2", (3.0, "s")),  # a superscript 2 is a digit to Python
        ("pi=" + "9" * 5000, (3.0, "s")),
        ("pi=&ptp=years", (3.0, "s")),
    ],
)
def test_pings_as_the_client_wants_them(query: str, pings: tuple[float, str]) -> None:
    assert find_pings({"query_string": query.encode()}, interval=3.0) == Pings(*pings)


@pytest.mark.parametrize(
    ("socket", "origin", "same"),
    [
        ("ws", "http://acme.test:8000", True),
        ("wss", "https://acme.test:8000", True),
        ("ws", "https://acme.test:8000", True),  # a proxy decrypts
        ("wss", "http://acme.test:8000", False),
        ("ws", "HTTP://ACME.test:8000", True),
        ("ws", "http://acme.test", False),
        ("ws", "http://globex.test:8000", False),
        ("ws", "//acme.test:8000", False),
        ("ws", "acme.test:8000", False),
        ("ws", "ftp://acme.test:8000", False),
        ("ws", "chrome-extension://acme.test:8000", False),
        ("ws", "http://acme.test:8000/evil", False),
        ("ws", "http://evil@acme.test:8000", False),
        ("ws", "http://[acme.test:8000", False),
        ("ws", "null", False),
        ("ws", "", False),
    ],
)
def test_page_of_this_very_host(socket: str, origin: str, same: bool) -> None:
    headers = [(b"host", b"acme.test:8000"), (b"origin", origin.encode())]
    assert is_same_origin({"scheme": socket, "headers": headers}) is same


def test_without_origin_it_is_no_page() -> None:
    assert not is_same_origin({"scheme": "ws", "headers": [(b"host", b"acme.test")]})


@pytest.mark.parametrize(("key", "error"), [(None, TypeError), (7, TypeError), ("", ValueError)])
def test_identity_has_a_key(key: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="an identity's key must"):
        Identity(key=key)
