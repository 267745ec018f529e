"""Nobody of one company gets through a door of the other, whichever door and whatever they show."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.http import HttpResponse

import sera.asgi
from tests.isolation.evidence import nothing_happens
from tests.isolation.intruders import Intruder, code_of, staff_cookie, with_cookie, with_token
from tests.isolation.routes import ACTIONS, CHANNELS, ROUTES, Door, methods_of_product
from tests.world import Persona

pytestmark = pytest.mark.django_db

Expected = tuple[int, str | None]

# At these doors it does not matter what else a stranger shows.
REFUSED: dict[Door, Expected] = {
    Door.PAGE: (302, "/login/?next=/"),
    Door.OPEN: (200, None),
    Door.PASSWORD: (401, "wrong_credentials"),
    Door.FORM: (200, None),
    Door.REFRESH: (401, "token_wrong_company"),
    Door.LEAVE: (302, "/login/"),
}

INTRUDERS: dict[str, tuple[Callable[[Persona], Intruder], Expected]] = {
    "a token of the other company": (with_token, (401, "token_wrong_company")),
    "an owner's token of the other company": (
        lambda home: with_token(home, email=home.owner),
        (401, "token_wrong_company"),
    ),
    "a refresh token of the other company": (
        lambda home: with_token(home, kind="refresh"),
        (401, "token_wrong_kind"),
    ),
    "a cookie of the other company": (with_cookie, (401, "not_authenticated")),
    "a staff cookie": (
        lambda home: Intruder(home, cookie=staff_cookie(), refresh=with_token(home).refresh),
        (401, "not_authenticated"),
    ),
    "nothing": (
        lambda home: Intruder(home, refresh=with_token(home).refresh),
        (401, "not_authenticated"),
    ),
}


def test_every_route_and_method_is_in_the_matrix() -> None:
    assert sorted(methods_of_product()) == sorted(ROUTES)


def test_every_channel_is_in_the_matrix() -> None:
    assert set(sera.asgi.cable._channels) == set(CHANNELS)


def test_every_action_is_in_the_matrix() -> None:
    channels = sera.asgi.cable._channels.items()
    assert {(name, action) for name, kind in channels for action in kind.cable_actions} == set(
        ACTIONS
    )


@pytest.mark.parametrize("way", ["acme to globex", "globex to acme"])
@pytest.mark.parametrize("kind", INTRUDERS)
def test_no_stranger_gets_in(kind: str, way: str, acme: Persona, globex: Persona) -> None:
    home, target = (acme, globex) if way.startswith("acme") else (globex, acme)
    make, at_the_api = INTRUDERS[kind]
    intruder = make(home)
    with nothing_happens():
        for (method, path), route in ROUTES.items():
            response = intruder.knock(method, path, route, target.host)
            answer = (response.status_code, code_of(response))
            assert answer == _expected(route.door, path, at_the_api), (method, path)
            _assert_silent(response, acme, globex, (method, path))


def test_the_right_people_do_get_in(acme: Persona) -> None:
    """Without this, a broken door would pass for a safe one."""
    phone, owner = with_token(acme), with_token(acme, email=acme.owner)
    browser = with_cookie(acme)
    callers = {"technician": phone, "owner": owner}
    allowed = {Door.PAGE: browser, Door.PASSWORD: phone, Door.FORM: browser}
    for (method, path), route in ROUTES.items():
        caller = callers[route.by] if route.door is Door.API else allowed.get(route.door)
        if caller is not None and (method, path) != ("PUT", "/login/"):
            response = caller.knock(method, path, route, acme.host)
            # The form leads on to the board.
            wanted = {200, 201} if route.door is not Door.FORM else {302}
            assert response.status_code in wanted, (method, path, response.content)
    response = owner.knock("GET", "/api/v1/technicians/", ROUTES["GET", "/api/v1/me/"], acme.host)
    assert acme.marker in response.content.decode()


def _expected(door: Door, path: str, at_the_api: Expected) -> Expected:
    if door is Door.DOCUMENT:
        status, code = at_the_api
        if code == "not_authenticated":
            return 200, None
        return status, code if path == "/api/schema/" else None  # the other is a page
    return REFUSED.get(door, at_the_api)


def _assert_silent(
    response: HttpResponse, acme: Persona, globex: Persona, where: tuple[str, str]
) -> None:
    said = response.content.decode() + str(response.headers)
    for persona in (acme, globex):
        assert persona.marker not in said, where
    assert "Set-Cookie" not in response.headers, where
    session = response.cookies.get("sessionid")
    assert session is None or session.value == "", f"{where} began a session"
