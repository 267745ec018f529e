"""People at doors that are not theirs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpResponse
from django.test import Client

from tenants.context import platform_scope
from tenants.models import StaffUser
from tests.dispatch.browsers import browser_of
from tests.isolation.routes import Door, Route, address, credentials
from tests.world import PASSWORD, Persona

STAFF_HOST = "localhost"


@dataclass(frozen=True)
class Intruder:
    """What somebody of `home` carries to another door."""

    home: Persona
    headers: dict[str, str] = field(default_factory=dict)
    cookie: str | None = None
    refresh: str = ""

    def knock(self, method: str, path: str, route: Route, host: str, **extra: str) -> HttpResponse:
        """Make the route's request at `host` with everything that this one has."""
        client = Client(HTTP_HOST=host, raise_request_exception=True)
        if self.cookie:
            client.cookies["sessionid"] = self.cookie
        body: Any = route.body
        content_type = "application/json"
        if route.door is Door.PASSWORD:
            body = credentials(self.home)
        elif route.door is Door.REFRESH:
            body = {"refresh": self.refresh}
        elif route.door is Door.FORM:
            body = f"username={self.home.dispatcher}&password={PASSWORD}"
            content_type = "application/x-www-form-urlencoded"
        data = body if isinstance(body, str) else json.dumps(body) if body is not None else ""
        return client.generic(
            method,
            address(path) + route.query,
            data,
            content_type,
            headers={**self.headers, **extra},
        )


def phone(home: Persona, email: str | None = None) -> dict[str, str]:
    """`{"access", "refresh"}` of somebody who signed in at home."""
    response = Client(HTTP_HOST=home.host).post(
        "/api/v1/auth/token/",
        {"email": email or home.technician, "password": PASSWORD},
        content_type="application/json",
    )
    assert response.status_code == 200, response.content
    return response.json()


def with_token(home: Persona, *, kind: str = "access", email: str | None = None) -> Intruder:
    pair = phone(home, email)
    return Intruder(home, {"Authorization": f"Bearer {pair[kind]}"}, refresh=pair["refresh"])


def with_cookie(home: Persona) -> Intruder:
    return Intruder(
        home,
        cookie=browser_of(home).cookies["sessionid"].value,
        refresh=phone(home)["refresh"],
    )


def staff_cookie() -> str:
    """The session of a staff member who signed in on the staff's host."""
    with platform_scope():
        StaffUser.objects.create_user(email="staff@sera.test", password=PASSWORD, name="Stan Staff")
    client = Client(HTTP_HOST=STAFF_HOST)
    response = client.post("/admin/login/", {"username": "staff@sera.test", "password": PASSWORD})
    assert response.status_code == 302, response.content
    return client.cookies["sessionid"].value


def code_of(response: HttpResponse) -> str | None:
    """The code of a JSON error, or where a redirect leads; None for a page."""
    if "Location" in response.headers:
        return response.headers["Location"]
    if "json" in response.headers.get("Content-Type", ""):
        return json.loads(response.content).get("code")
    return None
