"""Fixtures for all tests: the two companies, clients, and servers.

`acme` and `globex` are created once per run. Tests in a transaction (`db`) are rolled back;
tests with real servers (`committed`) write for good, and what they wrote is deleted after.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.core.cache import caches
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.client import ClientHandler
from pytest_django.plugin import DjangoDbBlocker

from tests.live import WebServer
from tests.world import PASSWORD, Persona, create_persona

# What tests with real servers may write to, in both companies.
WRITTEN_TABLES = (
    "dispatch_shift",
    "tracking_checkpoint",
    "tracking_correction",
    "tracking_daytotal",
    "tracking_erasure",
    "tracking_fix",
    "tracking_policy",
    "tracking_position",
    "tracking_recount",
    "tracking_statement",
    "tracking_track",
    "tracking_trip",
    "tracking_viewing",
    "tracking_visit",
    "dispatch_phonesession",
    "django_session",
)


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A database of its own, with the template migrated once and both companies cloned from it."""
    with django_db_blocker.unblock():
        creation = connection.creation
        original = connection.settings_dict["NAME"]
        name = creation._create_test_db(verbosity=0, autoclobber=True, keepdb=False)
        connection.close()
        connection.settings_dict["NAME"] = name
        call_command("migrate_all", verbosity=0)
        _personas.update({schema: create_persona(schema) for schema in ("acme", "globex")})
        connection.close()
    yield
    with django_db_blocker.unblock():
        connection.close()
        connection.close_pool()
        creation.destroy_test_db(original, verbosity=0)


_personas: dict[str, Persona] = {}


@pytest.fixture(scope="session")
def acme(django_db_setup: None) -> Persona:
    return _personas["acme"]


@pytest.fixture(scope="session")
def globex(django_db_setup: None) -> Persona:
    return _personas["globex"]


@pytest.fixture(scope="session", autouse=True)
def _one_middleware_chain() -> Iterator[None]:
    """All Django clients share one: WhiteNoise looks at every static file when it is made."""
    load = ClientHandler.load_middleware
    chains: list[Any] = []

    def load_once(self: ClientHandler, is_async: bool = False) -> None:
        if not chains:
            load(self, is_async)
            chains.append(self._middleware_chain)
        self._middleware_chain = chains[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClientHandler, "load_middleware", load_once)
        yield


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    yield
    caches["shared"].clear()  # one Valkey database: this empties every company's as well


@pytest.fixture
def committed(database_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Real commits, seen by other processes; both companies' new rows are deleted after."""
    with django_db_blocker.unblock():
        yield
    with psycopg.connect(database_url, autocommit=True) as database:
        for schema in _personas:
            _truncate(database, ", ".join(f"{schema}.{table}" for table in WRITTEN_TABLES))


def _truncate(database: psycopg.Connection, tables: str) -> None:
    """A server may still write behind the test's last answer, and one of the two must give way."""
    for _ in range(5):
        with suppress(psycopg.errors.DeadlockDetected):
            database.execute(f"TRUNCATE {tables}")  # type: ignore[call-overload]
            return
    raise AssertionError(f"{tables} are always written to")


@pytest.fixture
def client_of() -> Callable[[Persona], Client]:
    """A Django client that speaks to one company's host."""

    def make(persona: Persona, **kwargs: Any) -> Client:
        return Client(HTTP_HOST=persona.host, **kwargs)

    return make


@pytest.fixture
def tokens_of(client_of: Callable[[Persona], Client]) -> Callable[..., dict[str, str]]:
    """Signs a phone in through the API; `{"access", "refresh"}`."""

    def sign_in(persona: Persona, email: str | None = None) -> dict[str, str]:
        response = client_of(persona).post(
            "/api/v1/auth/token/",
            {"email": email or persona.technician, "password": PASSWORD},
            content_type="application/json",
        )
        assert response.status_code == 200, response.content
        return response.json()

    return sign_in


@pytest.fixture
def phone_of(
    client_of: Callable[[Persona], Client], tokens_of: Callable[..., dict[str, str]]
) -> Callable[..., Client]:
    """A Django client with the access token of a signed-in user, by default the technician."""

    def make(persona: Persona, email: str | None = None) -> Client:
        access = tokens_of(persona, email)["access"]
        return Client(HTTP_HOST=persona.host, HTTP_AUTHORIZATION=f"Bearer {access}")

    return make


@pytest.fixture(scope="session")
def database_url(django_db_setup: None) -> str:
    """The tests' database, for other processes."""
    url = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(url._replace(path="/" + connection.settings_dict["NAME"]))


@pytest.fixture(scope="session")
def _server(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    log = tmp_path_factory.mktemp("server") / "uvicorn.log"
    server = WebServer(log, environment={"DATABASE_URL": database_url})
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(_server: WebServer, committed: None) -> WebServer:
    """uvicorn on a free port, shared by the run; rows written through it are deleted after."""
    return _server
