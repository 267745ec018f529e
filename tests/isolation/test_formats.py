"""The doors under `/ingest/`: a phone of one company gets through none of the other's.

Asked over HTTP, because they stand in front of Django; with keys that are really stored, so that a
good one opens each of them at home.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tenants.queries import Company
from tests.isolation.evidence import stored
from tests.isolation.routes import FORMATS, POSITION
from tests.live import WebServer, access_token
from tests.tracking.phones import basic, bearer, key_of
from tests.world import Persona
from tracking.api.formats import FORMATS as DOORS

Show = Callable[[str], dict[str, Any]]

# Every way to show a key, at every door.
WAYS: dict[str, Show] = {
    "bearer": lambda key: {"headers": bearer(key)},
    "password": lambda key: {"headers": basic(key)},
    "query": lambda key: {"query": {"key": key}},
    "device": lambda key: {"query": {"id": key}},
}


def knock(
    client: httpx.Client,
    method: str,
    path: str,
    host: str,
    *,
    headers: Any = None,
    query: Any = None,
) -> httpx.Response:
    content = FORMATS[method, path]
    given = {**(query or {}), **(POSITION if content is None else {})}
    return client.request(
        method,
        f"{path}/?{urlencode(given)}",
        headers={**(headers or {}), "Host": host},
        json=content,
    )


def test_every_door_is_in_the_matrix() -> None:
    assert set(FORMATS) == {
        (method, path) for path, door in DOORS.items() for method in door.methods
    }


@pytest.mark.parametrize("way", WAYS)
def test_a_key_opens_its_own_company_and_no_other(
    way: str, server: WebServer, acme: Persona, globex: Persona
) -> None:
    keys = {persona.host: key_of(persona) for persona in (acme, globex)}
    with server.client_of(acme) as client:
        for method, path in FORMATS:
            if way == "device" and "osmand" not in path:
                continue
            for home, abroad in ((acme, globex), (globex, acme)):
                before = stored()
                refused = knock(client, method, path, abroad.host, **WAYS[way](keys[home.host]))
                assert (refused.status_code, refused.json()["code"]) == (401, "key_invalid")
                assert stored() == before, (method, path)
                for persona in (acme, globex):
                    assert persona.marker not in refused.text + str(refused.headers)
                at_home = knock(client, method, path, home.host, **WAYS[way](keys[home.host]))
                assert at_home.status_code == 200, (method, path)
                after = stored()
                changed = {table for table in after if after[table] != before[table]}
                assert {table.partition(".")[0] for table in changed} <= {home.schema}
    rows = stored()
    count = 1 if way == "device" else 4  # the two methods of OsmAnd's store the same
    assert [rows[f"{p.schema}.tracking_fix"][0] for p in (acme, globex)] == [count, count]


def test_other_strangers(
    server: WebServer, acme: Persona, globex: Persona, suspended: Company
) -> None:
    access, key = access_token(server.phone_of(globex)), key_of(acme)
    before = stored()
    cases = [
        (acme.host, None, 401, "not_authenticated"),
        (acme.host, bearer(access), 401, "token_wrong_company"),
        (acme.host, {"Cookie": "sessionid=x"}, 401, "not_authenticated"),
        ("nobody.localhost", bearer(key), 404, "unknown_company"),
        ("initech.localhost", bearer(key), 403, "company_suspended"),
    ]
    with server.client_of(acme) as client:
        for method, path in FORMATS:
            for host, headers, status, code in cases:
                answer = knock(client, method, path, host, headers=headers)
                assert (answer.status_code, answer.json()["code"]) == (status, code), (path, host)
            assert knock(client, method, path, "localhost", headers=bearer(key)).status_code == 404
    assert stored() == before
