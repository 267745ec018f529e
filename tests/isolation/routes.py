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


FIX: dict[str, Any] = {
    "id": "0b7c9a52-54c4-4c57-8a3f-6a3f6f9f2f10",
    "recorded_at": "2026-11-22T10:00:00.000Z",
    "lat": 40.7128,
    "lon": -74.0060,
    "activity": "walking",
}

# A phone of technician 1 in both companies, made by the tests that need it.
PHONE = "5b1f6d0e-8c6e-4c0b-9a55-1f0d3c2b4a69"

SHIFT = {"technician": 1, "starts_at": "2026-11-22T08:00:00Z", "ends_at": "2026-11-22T16:00:00Z"}
POLICY = {
    "accept": "always",
    "max_accuracy": 100,
    "max_speed": 60,
    "flag_mock": True,
    "stop_radius": 75,
    "stop_seconds": 180,
    "site_radius": 100,
    "delayed_seconds": 60,
    "stale_seconds": 300,
    "lost_seconds": 1800,
    "retention_days": 365,
}

# In an order in which each can follow those before it.
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
    ("GET", "/api/v1/policy/"): Route(Door.API, by="dispatcher"),
    ("PUT", "/api/v1/policy/"): Route(Door.API, body=POLICY, by="owner"),
    ("PATCH", "/api/v1/policy/"): Route(Door.API, body={"stale_seconds": 301}, by="owner"),
    ("GET", "/api/v1/viewings/"): Route(Door.API),
    ("GET", "/api/v1/technicians/"): Route(Door.API),
    ("GET", "/api/v1/technicians/{technician}/plan/"): Route(Door.API),
    ("GET", "/api/v1/trips/"): Route(Door.API, query="?technician=1"),
    ("GET", "/api/v1/technicians/{technician}/days/"): Route(
        Door.API, query="?since=2026-11-22&until=2026-11-23"
    ),
    ("GET", "/api/v1/technicians/{technician}/replay/"): Route(
        Door.API, query="?since=2026-11-22T00:00:00Z&until=2026-11-23T00:00:00Z"
    ),
    ("GET", "/api/v1/technicians/{technician}/positions/export/"): Route(Door.API),
    ("DELETE", "/api/v1/technicians/{technician}/positions/"): Route(Door.API, by="owner"),
    ("GET", "/api/v1/jobs/"): Route(Door.API),
    ("GET", "/api/v1/phones/"): Route(Door.API),
    ("POST", "/api/v1/phones/"): Route(Door.API, body={"label": "Van"}),
    ("DELETE", "/api/v1/phones/{phone}/"): Route(Door.API),
    ("GET", "/api/v1/jobs/{job}/technicians/"): Route(Door.API, by="dispatcher"),
    ("GET", "/api/v1/jobs/{job}/eta/"): Route(Door.API),
    ("GET", "/api/v1/jobs/{job}/visits/"): Route(Door.API),
    ("POST", "/api/v1/jobs/{job}/visits/"): Route(Door.API, body={"arrived_at": None}),
    ("POST", "/api/v1/jobs/{job}/on_the_way/"): Route(Door.API),
    ("POST", "/api/v1/jobs/{job}/arrived/"): Route(Door.API),
    ("POST", "/api/v1/jobs/{job}/done/"): Route(Door.API),
    ("GET", "/api/v1/shifts/"): Route(Door.API),
    ("POST", "/api/v1/shifts/"): Route(Door.API, body=SHIFT, by="dispatcher"),
    ("PATCH", "/api/v1/shifts/{shift}/"): Route(Door.API, body={}, by="dispatcher"),
    ("DELETE", "/api/v1/shifts/{shift}/"): Route(Door.API, by="dispatcher"),
    ("POST", "/api/v1/shifts/begin/"): Route(Door.API),
    ("POST", "/api/v1/shifts/end/"): Route(Door.API),
    ("GET", "/api/schema/"): Route(Door.DOCUMENT, query="?format=json"),
    ("GET", "/api/docs/"): Route(Door.DOCUMENT),
}

# Doors in front of Django's: what a phone sends there, without its key. One after the other: the
# same place at the same moment would be known, and what comes late is worked in behind the answer.
POSITION = {"timestamp": "2026-11-22T10:00:09Z", "lat": FIX["lat"], "lon": FIX["lon"]}
FORMATS: dict[tuple[str, str], Any] = {
    ("POST", "/ingest/transistorsoft"): {
        "location": {
            "timestamp": "2026-11-22T10:00:01Z",
            "coords": {"latitude": FIX["lat"], "longitude": FIX["lon"]},
        }
    },
    ("POST", "/ingest/owntracks"): {
        "lat": FIX["lat"],
        "lon": FIX["lon"],
        "_type": "location",
        "tst": 1795341602,
    },
    ("POST", "/ingest/overland"): {
        "locations": [
            {
                "geometry": {"coordinates": [FIX["lon"], FIX["lat"]]},
                "properties": {"timestamp": "2026-11-22T10:00:03Z"},
            }
        ]
    },
    ("POST", "/ingest/osmand"): None,
    ("GET", "/ingest/osmand"): None,
}

# Channel → who may listen; `tests/isolation/test_sockets.py` tries the others.
CHANNELS: dict[str, set[str]] = {
    "MapChannel": {"owner", "dispatcher"},
    "TechnicianChannel": {"technician"},
}
# Channel and action → data that the right caller would have accepted.
ACTIONS: dict[tuple[str, str], dict[str, Any]] = {
    ("MapChannel", "viewport"): {"viewport": [0, 0, 10, 10]},
    ("TechnicianChannel", "fixes"): {"fixes": [FIX]},
    ("TechnicianChannel", "on_my_way"): {"job": 1},
    ("TechnicianChannel", "arrived"): {"job": 1},
    ("TechnicianChannel", "done"): {"job": 1},
}


def methods_of_product(
    patterns: Sequence[URLPattern | URLResolver] | None = None, prefix: str = "/"
) -> Iterator[tuple[str, str]]:
    """(method, path) of everything that answers on a company's host."""
    for pattern in sera.urls.urlpatterns if patterns is None else patterns:
        path = prefix + re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern))
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
    return re.sub(r"\{\w+\}", str(row), path.replace("{phone}", PHONE))


def credentials(persona: Persona) -> dict[str, str]:
    """What the company's technician signs in with."""
    return {"email": persona.technician, "password": PASSWORD}
