"""Servers for the conformance tests: each kind is started once, with real Valkey behind it."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import pytest

from sera.services.ports import unused
from sera.services.valkey import ValkeyServer
from tests.conformance.client import Client
from tests.conformance.driver import node, start  # noqa: F401
from tests.conformance.server import ROOT, CableServer, Kind

Connect = Callable[..., Awaitable[Client]]


@pytest.fixture(scope="session")
def data_folder() -> Iterator[Path]:
    """Servers' files: of this run alone, and in the clone, where a server's own user may enter."""
    # Other folders of tests import this fixture, and each import is a fixture of its own.
    folder = ROOT / ".data" / "test" / f"conformance-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    folder.mkdir(parents=True)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def valkey(data_folder: Path) -> Iterator[ValkeyServer]:
    """A Valkey of our own, so that no other test's FLUSH is felt here."""
    server = ValkeyServer(data_folder / "shared", unused(), durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def uvicorn(
    tmp_path_factory: pytest.TempPathFactory, valkey: ValkeyServer
) -> Iterator[CableServer]:
    yield from _serve("uvicorn", tmp_path_factory.mktemp("uvicorn"), valkey)


@pytest.fixture(scope="session")
def daphne(tmp_path_factory: pytest.TempPathFactory, valkey: ValkeyServer) -> Iterator[CableServer]:
    yield from _serve("daphne", tmp_path_factory.mktemp("daphne"), valkey)


@pytest.fixture(scope="session")
def core(tmp_path_factory: pytest.TempPathFactory, valkey: ValkeyServer) -> Iterator[CableServer]:
    yield from _serve("uvicorn", tmp_path_factory.mktemp("core"), valkey, layer="core")


@pytest.fixture(scope="session")
def memory(tmp_path_factory: pytest.TempPathFactory, valkey: ValkeyServer) -> Iterator[CableServer]:
    yield from _serve("daphne", tmp_path_factory.mktemp("memory"), valkey, layer="memory")


def _serve(
    kind: Kind, folder: Path, valkey: ValkeyServer, *, layer: str = "pubsub"
) -> Iterator[CableServer]:
    server = CableServer(kind, folder, layer=layer, redis_url=valkey.url)
    yield server
    server.terminate()


#: Both servers on the layer that Sera runs with; and both of the other layers on one server each.
SERVERS, EVERY_LAYER = ["uvicorn", "daphne"], ["uvicorn", "daphne", "core", "memory"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        marked = metafunc.definition.get_closest_marker("every_layer") is not None
        metafunc.parametrize("server", EVERY_LAYER if marked else SERVERS, indirect=True)


@pytest.fixture
def server(request: pytest.FixtureRequest) -> CableServer:
    """The shared server of each kind in turn; all stay up in whatever order tests run."""
    return cast(CableServer, request.getfixturevalue(request.param))


@pytest.fixture
def make_server(tmp_path: Path, valkey: ValkeyServer) -> Iterator[Callable[..., CableServer]]:
    """Starts a server for one test: `make_server(kind, layer=…, cable={…})`."""
    servers: list[CableServer] = []

    def make(kind: Kind, *, layer: str = "pubsub", **options: Any) -> CableServer:
        folder = tmp_path / str(len(servers))
        folder.mkdir()
        options = {"redis_url": valkey.url, **options}
        servers.append(CableServer(kind, folder, layer=layer, **options))
        return servers[-1]

    yield make
    for server in servers:
        server.terminate()


@pytest.fixture
async def connect(server: CableServer) -> AsyncIterator[Connect]:
    """Opens welcomed sockets to the shared server and closes them after the test."""
    async with AsyncExitStack() as stack:

        async def open_(query: str = "", **options: Any) -> Client:
            client = await Client.welcomed(server.url + query, **options)
            stack.push_async_callback(client.close)
            return client

        yield open_


@pytest.fixture
async def connect_extended(server: CableServer) -> AsyncIterator[Connect]:
    """The same with the extended protocol."""
    async with AsyncExitStack() as stack:

        async def open_(query: str = "", **options: Any) -> Client:
            client = await Client.extended(server.url + query, **options)
            stack.push_async_callback(client.close)
            return client

        yield open_


@pytest.fixture
def unique() -> str:
    """A name that no other test uses: the servers are shared."""
    return uuid.uuid4().hex
