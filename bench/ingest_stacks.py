"""The two that take positions: Sera itself, and what a tutorial of REST framework makes."""

from __future__ import annotations

import secrets
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from bench.baseline.world import BaselineWorld
from bench.ingest_world import (
    Create,
    IngestWorld,
    World,
    baseline_rows,
    check_durable,
    create_database,
    rows_by_company,
)
from bench.machine import RigError
from bench.phones import Fleet
from bench.rig import Rig
from bench.servers import PORT, ServerProcess
from sera.cli import up
from sera.services.ports import LOOPBACK

CREATE_SECONDS = 300.0


@dataclass(frozen=True)
class Stack:
    """A server that is ready to be started, and the phones that know it."""

    name: str
    #: After `python -m`.
    command: tuple[str, ...]
    variables: Mapping[str, str]
    world: World
    #: Connections serve more than one request.
    reuse: bool
    #: Fixes in the database by company.
    rows: Callable[[], list[int]]


def ours(rig: Rig, order: Create) -> Stack:
    """The product's web process as `./dev up` starts it; raises `RigError`."""
    url = _postgres_url(rig)
    variables = {
        "DJANGO_SETTINGS_MODULE": "sera.settings",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "DATABASE_URL": url,
        "REDIS_URL": rig.valkey.url,
        "DATA_DIR": str(rig.folder / "data"),
        "BASE_DOMAIN": "localhost",
    }
    with rig.worker("world", IngestWorld, variables) as worker:
        world: World = worker.ask(order, within=CREATE_SECONDS)
    options = Namespace(host=LOOPBACK, port=PORT, demo=False)
    web = up.programs(options, "localhost")[0].command
    return Stack(
        name="ours",
        command=web[web.index("-m") + 1 :],
        variables=variables,
        world=world,
        reuse=True,
        rows=lambda: rows_by_company(url, world.companies),
    )


def baseline(rig: Rig, order: Create) -> Stack:
    """REST framework's `CreateAPIView` in one synchronous worker; raises `RigError`."""
    url = create_database(_postgres_url(rig), "baseline")
    variables = {
        "DJANGO_SETTINGS_MODULE": "bench.baseline.settings",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "DATABASE_URL": url,
    }
    with rig.worker("world", BaselineWorld, variables) as worker:
        world: World = worker.ask(order, within=CREATE_SECONDS)
    return Stack(
        name="CreateAPIView, gunicorn",
        command=(
            *("gunicorn", "bench.baseline.wsgi:application", "--workers", "1"),
            *("--bind", f"{LOOPBACK}:{PORT}", "--no-control-socket", "--log-level", "warning"),
        ),
        variables=variables,
        world=world,
        reuse=False,
        rows=lambda: baseline_rows(url, order.companies),
    )


@contextmanager
def phones_of(rig: Rig, stack: Stack, server: ServerProcess, processes: int) -> Iterator[Fleet]:
    """The phones that know this stack, in so many processes."""
    fleet = Fleet(processes, server.port, stack.world.phones, reuse=stack.reuse)
    with rig.ended(fleet.stop):
        yield fleet


def _postgres_url(rig: Rig) -> str:
    if rig.postgres is None:
        raise RigError("this rig has no PostgreSQL")
    check_durable(rig.postgres.url)
    return rig.postgres.url
