"""When nothing can be stored, phones are told to come again; keys are remembered for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from django.db import OperationalError, connection
from psycopg_pool import PoolTimeout
from pytest_django import Settings

import dispatch.remembered_keys
import tracking.actions.group_commit
import tracking.api.door
from dispatch.keys import new_key, session_of_key
from dispatch.remembered_keys import remembered_holder
from dispatch.tokens import TokenError
from tenants.queries import forget_hosts
from tests.tracking.phones import key_of, stored
from tests.world import Persona
from tracking.api.formats import FormatsEndpoint

pytestmark = pytest.mark.usefixtures("committed")

ONE = "/ingest/osmand/?timestamp=1795341600&lat=60.5&lon=26.9&key="


async def in_thread(work: Callable[..., Any], *args: Any) -> Any:
    def in_it() -> Any:
        try:
            return work(*args)
        finally:
            connection.close()

    return await asyncio.to_thread(in_it)


async def ask(persona: Persona, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=FormatsEndpoint(None))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{persona.host}") as client:
        return await client.get(path)


def assert_told_to_come_again(answer: httpx.Response) -> None:
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert answer.json() == {
        "detail": "the server cannot store fixes now; keep them and try again",
        "code": "unavailable",
    }


async def test_too_much_waits(acme: Persona, settings: Settings) -> None:
    key = await in_thread(key_of, acme)
    settings.INGEST_MAX_WAITING_FIXES = 0
    assert_told_to_come_again(await ask(acme, ONE + key))
    settings.INGEST_MAX_WAITING_FIXES = 1
    assert (await ask(acme, ONE + key)).status_code == 200
    assert len(await in_thread(stored, acme)) == 1


# Which company, whose key, and the commit.
STEPS: list[tuple[Any, str]] = [
    (tracking.api.door, "run_on_platform"),
    (dispatch.remembered_keys, "run_in_tenant"),
    (tracking.actions.group_commit, "run_on_platform"),
]


@pytest.mark.parametrize("error", [OperationalError("away"), PoolTimeout("away")])
@pytest.mark.parametrize(("module", "name"), STEPS)
async def test_database_is_away(
    module: Any, name: str, error: Exception, acme: Persona, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await in_thread(key_of, acme)
    forget_hosts()

    async def away(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(module, name, away)
    assert_told_to_come_again(await ask(acme, ONE + key))
    monkeypatch.undo()
    assert (await ask(acme, ONE + key)).status_code == 200
    assert len(await in_thread(stored, acme)) == 1


# --- Remembered keys


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys for which the database was asked."""
    found: list[str] = []
    run = dispatch.remembered_keys.run_in_tenant

    async def counted(schema: str, work: Any, key: str) -> Any:
        found.append(key)
        return await run(schema, work, key)

    monkeypatch.setattr(dispatch.remembered_keys, "run_in_tenant", counted)
    return found


async def test_a_key_is_looked_up_once_in_a_minute(
    acme: Persona, globex: Persona, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = await in_thread(key_of, acme), await in_thread(key_of, globex)
    clock = 1000.0
    monkeypatch.setattr(dispatch.remembered_keys.time, "monotonic", lambda: clock)
    first = await remembered_holder(ours, company=acme.company)
    assert (first.session, first.technician) == (session_of_key(ours), acme.technician_id)
    clock += 59
    assert await remembered_holder(ours, company=acme.company) is first
    assert asked == [ours]
    clock += 2
    assert await remembered_holder(ours, company=acme.company) == first
    assert asked == [ours, ours]
    # What is known at one company says nothing at the other.
    for key, company in ((ours, globex.company), (theirs, acme.company)):
        with pytest.raises(TokenError) as refused:
            await remembered_holder(key, company=company)
        assert refused.value.code == "key_invalid"
    assert asked == [ours, ours, ours, theirs]


async def test_only_so_many_are_remembered(
    acme: Persona, asked: list[str], settings: Settings
) -> None:
    settings.PHONE_KEYS_REMEMBERED = 2
    keys = [await in_thread(key_of, acme) for _ in range(3)]
    dispatch.remembered_keys._remembered.clear()
    for key in [*keys, keys[2], keys[1], keys[0]]:
        await remembered_holder(key, company=acme.company)
    assert asked == [*keys, keys[0]]
    assert len(dispatch.remembered_keys._remembered) == 2


async def test_what_is_no_key_asks_no_database(acme: Persona, asked: list[str]) -> None:
    good = await in_thread(key_of, acme)
    for text in ("", "x", good + "A", good.upper(), good[:-1] + "=", good.replace(".", "-")):
        with pytest.raises(TokenError):
            await remembered_holder(text, company=acme.company)
    assert asked == []
    session = session_of_key(good)
    assert session is not None
    unknown = new_key(session)
    with pytest.raises(TokenError):
        await remembered_holder(unknown, company=acme.company)
    assert asked == [unknown]
