"""The isolation matrix: every address and every channel, and how each is guarded.

A new route, method or channel without an entry here fails `test_matrix.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from django.urls import URLPattern, URLResolver

import sera.urls
from tests.world import PASSWORD, Persona


class Door(Enum):
    """What a caller must show."""

    #: An access token of this company, or a session of this company.
    API = auto()
    #: A session of this company; others are led to the sign-in page.
    PAGE = auto()
    #: Nothing, and it tells nothing of the company's people and work.
    OPEN = auto()
    #: As OPEN, but a token that is shown must be good.
    DOCUMENT = auto()
    #: An e-mail address and password of this company, as JSON.
    PASSWORD = auto()
    #: The same, as a form.
    FORM = auto()
    #: A refresh token of this company.
    REFRESH = auto()
    #: Nothing: it only ends the caller's own session.
    LEAVE = auto()


@dataclass(frozen=True)
class Route:
    """`query` and `body` make a request that the right caller would have accepted.

    That is the technician, or whom `by` names. A `{name}` in a path is the id of a row.
    """

    door: Door
    query: str = ""
    body: Any = None
    by: str = "technician"


FIX = {
    "id": "0b7c9a52-54c4-4c57-8a3f-6a3f6f9f2f10",
    "recorded_at": "2026-11-22T10:00:00.000Z",
    "lat": 40.7128,
    "lon": -74.0060,
    "activity": "walking",
}

ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/"): Route(Door.PAGE),
    ("GET", "/login/"): Route(Door.OPEN),
    ("POST", "/login/"): Route(Door.FORM),
    ("PUT", "/login/"): Route(Door.FORM),
    ("POST", "/logout/"): Route(Door.LEAVE),
    ("POST", "/api/v1/auth/token/"): Route(Door.PASSWORD),
    ("POST", "/api/v1/auth/token/refresh/"): Route(Door.REFRESH),
    ("POST", "/api/v1/auth/token/revoke/"): Route(Door.REFRESH),
    ("GET", "/api/v1/me/"): Route(Door.API),
    ("GET", "/api/v1/fixes/"): Route(Door.API, query="?technician=1"),
    ("POST", "/api/v1/fixes/"): Route(Door.API, body=FIX),
    ("GET", "/api/v1/positions/"): Route(Door.API),
    ("GET", "/api/v1/technicians/"): Route(Door.API),
    ("GET", "/api/v1/trips/"): Route(Door.API, query="?technician=1"),
    ("GET", "/api/v1/technicians/{technician}/days/"): Route(
        Door.API, query="?since=2026-11-22&until=2026-11-23"
    ),
    ("GET", "/api/v1/technicians/{technician}/positions/export/"): Route(Door.API),
    ("DELETE", "/api/v1/technicians/{technician}/positions/"): Route(Door.API, by="owner"),
    ("GET", "/api/v1/jobs/"): Route(Door.API),
    ("GET", "/api/schema/"): Route(Door.DOCUMENT, query="?format=json"),
    ("GET", "/api/docs/"): Route(Door.DOCUMENT),
}

# Channel → who may listen; `tests/isolation/test_sockets.py` tries the others.
CHANNELS: dict[str, set[str]] = {"MapChannel": {"owner", "dispatcher"}}
# Channel and action → data that the right caller would have accepted.
ACTIONS: dict[tuple[str, str], dict[str, Any]] = {
    ("MapChannel", "viewport"): {"viewport": [0, 0, 10, 10]}
}


def methods_of_product(
    patterns: Sequence[URLPattern | URLResolver] | None = None, prefix: str = "/"
) -> Iterator[tuple[str, str]]:
    """(method, path) of everything that answers on a company's host."""
    for pattern in sera.urls.urlpatterns if patterns is None else patterns:
        path = prefix + re.sub(r"<int:(\w+)>", r"{\1}", str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from methods_of_product(pattern.url_patterns, path)
            continue
        view = getattr(pattern.callback, "view_class", None) or getattr(
            pattern.callback, "cls", None
        )
        assert view is not None, f"{path}: only class-based views tell their methods"
        for method in view.http_method_names:
            if method not in ("head", "options") and hasattr(view, method):
                yield method.upper(), path


def address(path: str, row: int = 1) -> str:
    """A path of the matrix with an id of a row, which both companies have."""
    return re.sub(r"\{\w+\}", str(row), path)


def credentials(persona: Persona) -> dict[str, str]:
    """What the company's technician signs in with."""
    return {"email": persona.technician, "password": PASSWORD}
