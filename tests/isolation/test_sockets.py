"""The cable of the running server: nobody hears the other company."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from socket import create_connection
from typing import Any
from unittest.mock import patch

import httpx
import pytest
import redis
from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

import dispatch.tokens
from dispatch.tokens import encode_token
from tenants.context import company_scope
from tenants.queries import Company
from tests.isolation.routes import ACTIONS, CHANNELS
from tests.live import WebServer, access_token, frames, perform, subscribe
from tests.world import PASSWORD, Persona

UNAUTHORIZED = {"type": "disconnect", "reason": "unauthorized", "reconnect": False}
# Clients come back by themselves, so that the user's other phones and pages lose nothing.
SIGNED_OUT = {"type": "disconnect", "reason": "remote", "reconnect": True}
EXPIRED = {"type": "disconnect", "reason": "token_expired", "reconnect": False}


def token_of(server: WebServer, persona: Persona, email: str | None = None) -> str:
    with closing(server.phone_of(persona, email)) as client:
        return access_token(client)


def cookie_of(server: WebServer, persona: Persona, email: str | None = None) -> str:
    """`name=value` of a session that began at the company's own sign-in page."""
    with server.client_of(persona) as client:
        client.get("/login/")
        csrf = client.cookies["csrftoken"]
        response = client.post(
            "/login/",
            data={
                "username": email or persona.dispatcher,
                "password": PASSWORD,
                "csrfmiddlewaretoken": csrf,
            },
            headers={"Cookie": f"csrftoken={csrf}"},
        )
        assert response.status_code == 302, response.text
        return f"sessionid={response.cookies['sessionid']}"


def origin(server: WebServer, host: str) -> str:
    return f"http://{host}:{server.port}"


def refused(socket: ClientConnection) -> dict[str, Any]:
    """The one frame of a socket that is refused, after which it is closed."""
    with socket:
        (frame,) = frames(socket, 1)
        # What a client sends all the same is not heard.
        with pytest.raises(ConnectionClosed):
            subscribe(socket, "MapChannel")
            while json.loads(socket.recv(10)).get("type") == "ping":
                pass
    return frame


@contextmanager
def viewer(server: WebServer, persona: Persona, **params: Any) -> Iterator[ClientConnection]:
    """A dispatcher's socket that has its first state."""
    with server.cable_of(persona, token_of(server, persona, persona.dispatcher)) as socket:
        assert frames(socket, 1)[0]["type"] == "welcome"
        subscribe(socket, "MapChannel", **params)
        confirmation, technicians, snapshot = frames(socket, 3)
        assert confirmation["type"] == "confirm_subscription"
        names = [technician["name"] for technician in technicians["message"]["technicians"]]
        assert len(names) == 2 and all(persona.marker in name for name in names)
        assert snapshot["message"]["type"] == "snapshot"
        yield socket


def post_fix(server: WebServer, persona: Persona, lat: float) -> None:
    fix = {
        "id": str(uuid.uuid4()),
        "recorded_at": datetime.now(UTC).isoformat(),
        "lat": lat,
        "lon": 1.0,
    }
    with closing(server.phone_of(persona)) as phone:
        assert phone.post("/api/v1/fixes/", json=fix).status_code == 201


def heard(socket: ClientConnection) -> list[float]:
    (frame,) = frames(socket, 1)
    return [position["lat"] for position in frame["message"]["items"].values()]


# --- Who may open a socket


def test_a_token_of_the_other_company_is_refused(
    server: WebServer, acme: Persona, globex: Persona
) -> None:
    for home, target in ((acme, globex), (globex, acme)):
        token = token_of(server, home, home.owner)
        assert refused(server.cable_of(target, token)) == UNAUTHORIZED
        assert refused(server.cable_of(target, **{"X-JID": token})) == UNAUTHORIZED


def test_a_cookie_of_the_other_company_is_refused(
    server: WebServer, acme: Persona, globex: Persona
) -> None:
    cookie = cookie_of(server, acme)
    for claimed in (acme.host, globex.host):
        socket = server.cable_of(globex, Cookie=cookie, Origin=origin(server, claimed))
        assert refused(socket) == UNAUTHORIZED


def test_a_cookie_opens_its_own_companys_socket_from_its_own_page_only(
    server: WebServer, acme: Persona, globex: Persona
) -> None:
    cookie = cookie_of(server, acme)
    own = origin(server, acme.host)
    with server.cable_of(acme, Cookie=cookie, Origin=own) as socket:
        assert frames(socket, 1)[0]["type"] == "welcome"
    for foreign in (
        origin(server, globex.host),
        origin(server, "localhost"),
        f"http://{acme.host}:{server.port + 1}",
        f"http://{acme.host}",
        f"{own}.evil.test",
        "https://evil.test",
        "null",
        "",
    ):
        socket = server.cable_of(acme, Cookie=cookie, Origin=foreign)
        assert refused(socket) == UNAUTHORIZED, foreign
    assert refused(server.cable_of(acme, Cookie=cookie)) == UNAUTHORIZED


def test_a_cut_sockets_session_is_taken_up_by_nobody_of_the_other_company(
    server: WebServer, acme: Persona, globex: Persona
) -> None:
    """Their dispatchers have the same primary key, and their channels the same identifier."""
    extended = "actioncable-v1-ext-json"
    token = token_of(server, acme, acme.dispatcher)
    with server.cable_of(acme, token, protocol=extended) as socket:
        (welcome,) = frames(socket, 1)
        identifier = subscribe(socket, "MapChannel")
        assert frames(socket, 1)[0]["type"] == "confirm_subscription"
        _wait_until_saved(welcome["sid"])
    restore = {"X-ANYCABLE-RESTORE-SID": welcome["sid"]}
    other = token_of(server, globex, globex.dispatcher)
    with server.cable_of(globex, other, protocol=extended, **restore) as socket:
        assert frames(socket, 1)[0].keys() == {"type", "sid"}
    with server.cable_of(acme, token, protocol=extended, **restore) as socket:
        assert frames(socket, 1)[0]["restored_ids"] == [identifier]
        socket.send(json.dumps({"command": "history", "identifier": identifier}))
        technicians, *_ = frames(socket, 1)
        names = [each["name"] for each in technicians["message"]["technicians"]]
        assert names and all(acme.marker in name for name in names)


def _wait_until_saved(sid: str) -> None:
    """Sessions are saved in intervals."""
    prefix = settings.CABLE["store_prefix"]
    deadline = time.monotonic() + 10
    with redis.Redis.from_url(settings.REDIS_URL) as store:
        while b"MapChannel" not in (store.get(f"{prefix}:session:{sid}") or b""):
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_a_session_that_was_ended_opens_no_socket(server: WebServer, acme: Persona) -> None:
    cookie = cookie_of(server, acme)
    own = origin(server, acme.host)
    with (
        server.cable_of(acme, Cookie=cookie, Origin=own) as open_before,
        server.client_of(acme) as client,
    ):
        assert frames(open_before, 1)[0]["type"] == "welcome"
        page = client.get("/", headers={"Cookie": cookie})
        csrf = client.cookies["csrftoken"]
        assert page.status_code == 200
        response = client.post(
            "/logout/",
            data={"csrfmiddlewaretoken": csrf},
            headers={"Cookie": f"{cookie}; csrftoken={csrf}"},
        )
        assert response.status_code == 302
        assert frames(open_before, 1) == [SIGNED_OUT]
    assert refused(server.cable_of(acme, Cookie=cookie, Origin=own)) == UNAUTHORIZED


def test_a_socket_ends_with_its_session(server: WebServer, acme: Persona) -> None:
    cookie = cookie_of(server, acme)
    with company_scope(acme.schema):
        soon = timezone.now() + timedelta(seconds=3)
        assert Session.objects.update(expire_date=soon) == 1
    own = origin(server, acme.host)
    with server.cable_of(acme, Cookie=cookie, Origin=own) as socket:
        assert frames(socket, 1)[0]["type"] == "welcome"
        assert frames(socket, 1) == [EXPIRED]
        # The loop's timer counts in milliseconds.
        assert timezone.now() >= soon - timedelta(milliseconds=10)


def test_nobody_is_refused(server: WebServer, acme: Persona) -> None:
    assert refused(server.cable_of(acme)) == UNAUTHORIZED
    assert refused(server.cable_of(acme, Origin=origin(server, acme.host))) == UNAUTHORIZED
    for nonsense in ("x", "a.b.c", "%ff%fe", "Ω"):
        assert refused(server.cable_of(acme, nonsense)) == UNAUTHORIZED


def test_a_refresh_token_is_refused(server: WebServer, acme: Persona) -> None:
    response = httpx.post(
        f"http://127.0.0.1:{server.port}/api/v1/auth/token/",
        json={"email": acme.owner, "password": PASSWORD},
        headers={"Host": acme.host},
    )
    assert refused(server.cable_of(acme, response.json()["refresh"])) == UNAUTHORIZED


def test_an_expired_token_is_told_to_renew(server: WebServer, acme: Persona) -> None:
    past = time.time() - settings.ACCESS_TOKEN_SECONDS - 60
    with patch.object(dispatch.tokens.time, "time", return_value=past):
        token = _token(acme.company)
    assert refused(server.cable_of(acme, token)) == EXPIRED


def test_a_phone_that_was_signed_out_is_refused(
    server: WebServer, acme: Persona, globex: Persona
) -> None:
    with server.client_of(acme) as client:
        pair = client.post(
            "/api/v1/auth/token/", json={"email": acme.owner, "password": PASSWORD}
        ).json()
        with (
            server.cable_of(acme, pair["access"]) as open_before,
            server.cable_of(globex, token_of(server, globex, globex.owner)) as namesake,
        ):
            assert frames(open_before, 1)[0]["type"] == "welcome"
            assert frames(namesake, 1)[0]["type"] == "welcome"
            revoked = client.post("/api/v1/auth/token/revoke/", json={"refresh": pair["refresh"]})
            assert revoked.status_code == 204
            assert frames(open_before, 1) == [SIGNED_OUT]
            # The other company's user of the same id stays connected.
            identifier = subscribe(namesake, "MapChannel")
            assert frames(namesake, 1)[0]["identifier"] == identifier
    assert refused(server.cable_of(acme, pair["access"])) == UNAUTHORIZED


@pytest.mark.parametrize(
    "host", ["initech.localhost", "nobody.localhost", "localhost", "evil.test"]
)
def test_a_host_without_a_company_in_service_is_refused(
    host: str, server: WebServer, suspended: Company, acme: Persona
) -> None:
    company = suspended if host.startswith(suspended.schema) else acme.company
    socket = connect(
        f"ws://{host}:{server.port}/cable?jid={_token(company)}",
        sock=create_connection(("127.0.0.1", server.port), timeout=10),
        subprotocols=[Subprotocol("actioncable-v1-json")],
    )
    assert refused(socket) == UNAUTHORIZED


# --- What a socket may hear


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_channel_is_for_its_roles(channel: str, server: WebServer, acme: Persona) -> None:
    roles = {"owner": acme.owner, "dispatcher": acme.dispatcher, "technician": acme.technician}
    for role, email in roles.items():
        with server.cable_of(acme, token_of(server, acme, email)) as socket:
            assert frames(socket, 1)[0]["type"] == "welcome"
            identifier = subscribe(socket, channel)
            allowed = role in CHANNELS[channel]
            wanted = "confirm_subscription" if allowed else "reject_subscription"
            assert frames(socket, 1) == [{"type": wanted, "identifier": identifier}], role


@pytest.mark.parametrize(("channel", "action"), ACTIONS)
def test_an_action_is_for_who_may_listen(
    channel: str, action: str, server: WebServer, acme: Persona, globex: Persona
) -> None:
    """For others, and without a subscription, it has no effect and no answer."""
    post_fix(server, acme, 5.0)
    post_fix(server, globex, 6.0)
    data = ACTIONS[channel, action]
    people = [acme.dispatcher, acme.technician]
    listener, stranger = people if "dispatcher" in CHANNELS[channel] else people[::-1]
    for email, subscribes in ((stranger, True), (listener, False)):
        with server.cable_of(acme, token_of(server, acme, email)) as socket:
            assert frames(socket, 1)[0]["type"] == "welcome"
            identifier = json.dumps({"channel": channel})
            if subscribes:
                subscribe(socket, channel)
                rejected = {"type": "reject_subscription", "identifier": identifier}
                assert frames(socket, 1) == [rejected]
            perform(socket, identifier, action, **data)
            # Commands are answered in order, so nothing was said to the action.
            nothing = subscribe(socket, "NoChannel")
            wanted = {"type": "reject_subscription", "identifier": nothing}
            assert frames(socket, 1) == [wanted], email


def test_a_viewport_shows_no_other_company(
    server: WebServer, acme: Persona, globex: Persona
) -> None:
    """Technicians, fixes and places are the same in both; whoever came first loaded its own."""
    post_fix(server, globex, 7.5)
    everything: dict[str, Any] = {"viewport": [-180, -90, 180, 90]}
    with (
        viewer(server, globex, **everything) as at_globex,
        viewer(server, acme, **everything) as at_acme,
    ):
        identifier = json.dumps({"channel": "MapChannel", **everything})
        narrow = {"viewport": [0, 7, 2, 8]}
        for socket, expected in ((at_acme, []), (at_globex, [7.5])):
            perform(socket, identifier, "viewport", **narrow)
            assert heard(socket) == expected
        post_fix(server, acme, 7.25)
        assert heard(at_acme) == [7.25]
        post_fix(server, globex, 7.5004)
        assert heard(at_globex) == [7.5004]


def test_each_company_hears_itself_alone(server: WebServer, acme: Persona, globex: Persona) -> None:
    with viewer(server, acme) as at_acme, viewer(server, globex) as at_globex:
        post_fix(server, acme, 1.25)
        assert heard(at_acme) == [1.25]
        # Had the other company heard that one, it would come first.
        post_fix(server, globex, 2.5)
        assert heard(at_globex) == [2.5]
        post_fix(server, acme, 1.2504)
        assert heard(at_acme) == [1.2504]


def test_what_a_client_writes_into_its_identifier_chooses_no_company(
    server: WebServer, acme: Persona, globex: Persona
) -> None:
    lies = {"schema": "globex", "company": globex.company.id, "stream": "globex.map", "tenant": 2}
    with viewer(server, acme, **lies) as at_acme:
        post_fix(server, globex, 3.5)
        post_fix(server, acme, 4.5)
        assert heard(at_acme) == [4.5]


def test_a_stream_is_no_channel(server: WebServer, acme: Persona) -> None:
    with server.cable_of(acme, token_of(server, acme, acme.owner)) as socket:
        assert frames(socket, 1)[0]["type"] == "welcome"
        for name in ("globex.map", "acme.map", "cable.globex.map", "cable-control", "Channel"):
            identifier = subscribe(socket, name)
            assert frames(socket, 1) == [{"type": "reject_subscription", "identifier": identifier}]


def test_the_names_of_streams_carry_the_schema(
    server: WebServer, acme: Persona, globex: Persona
) -> None:
    def live_map_streams() -> list[str]:
        with redis.Redis.from_url(settings.REDIS_URL) as client:
            names = [bytes(name).decode() for name in client.pubsub_channels("*cable.*")]
        return sorted(name for name in names if name.endswith("map"))

    with viewer(server, acme), viewer(server, globex):
        assert [name.split("cable.")[1] for name in live_map_streams()] == [
            "acme.map",
            "globex.map",
        ]


def _token(company: Company) -> str:
    """Well signed, for a session that does not exist."""
    return encode_token(
        kind="access",
        company=company,
        user=1,
        session=uuid.uuid4(),
        role="owner",
        technician=None,
        jti="1",
    )
