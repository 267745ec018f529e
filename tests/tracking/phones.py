"""Phones with a key, and what they have stored."""

from __future__ import annotations

import base64
from typing import Any

import httpx

from dispatch.actions.phones import issue_key
from dispatch.models import Technician
from tenants.context import company_scope
from tests.live import WebServer
from tests.world import Persona
from tracking.models import Fix


def key_of(persona: Persona, technician: int | None = None) -> str:
    """A new key of a technician, by default the first one's."""
    with company_scope(persona.schema):
        holder = Technician.objects.get(pk=technician or persona.technician_id)
        return issue_key(technician=holder, label="Van")[1]


def basic(key: str, user: str = "tess") -> dict[str, str]:
    """The header of HTTP's Basic scheme."""
    pair = base64.b64encode(f"{user}:{key}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def stored(persona: Persona) -> list[tuple[int, float, float, str]]:
    """(technician, latitude, longitude, moment) of each fix, in the order of time."""
    with company_scope(persona.schema):
        rows = Fix.objects.order_by("recorded_at")
        return [
            (row.technician_id, row.lat, row.lon, f"{row.recorded_at:%H:%M:%S}") for row in rows
        ]


def send(
    server: WebServer, persona: Persona, method: str, path: str, **request: Any
) -> httpx.Response:
    """One request to a company's host."""
    with server.client_of(persona) as client:
        return client.request(method, path, **request)
