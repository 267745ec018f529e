"""The companies that upload: created by the product's own actions, in a process of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from bench.machine import RigError
from bench.tracks import BEHIND_SECONDS, Track
from bench.uploads import Phone

if TYPE_CHECKING:
    from tenants.queries import Company

PATH = "/api/v1/fixes/"
_PASSWORD = "only for benches"


@dataclass(frozen=True)
class Create:
    """So many technicians in all, and dispatchers of each company; their tokens are good for the
    whole run."""

    companies: int
    technicians: int
    token_seconds: int
    dispatchers: int = 1


@dataclass(frozen=True)
class Viewer:
    """A dispatcher of one company."""

    host: str
    token: str


@dataclass(frozen=True)
class World:
    #: Schemas, by the company's number.
    companies: list[str]
    phones: list[Phone]
    viewers: list[Viewer]


class IngestWorld:
    """Answers `Create` with a `World`: a migrated database, each phone signed in."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        os.environ.update(variables)
        import django

        django.setup()

    async def handle(self, order: Create) -> World:
        return await asyncio.to_thread(_create, order)


def company_names(count: int) -> list[str]:
    return [f"company{number}" for number in range(count)]


def _create(order: Create) -> World:
    from django.core.management import call_command
    from django.test.utils import override_settings

    from tenants.actions import create_company
    from tenants.context import company_scope

    names = company_names(order.companies)
    phones: list[Phone] = []
    viewers: list[Viewer] = []
    call_command("migrate_all", verbosity=0)
    with override_settings(
        # Nobody here signs in by password.
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        ACCESS_TOKEN_SECONDS=order.token_seconds,
    ):
        for number, schema in enumerate(names):
            company = create_company(schema=schema, name=schema.title())
            with company_scope(schema):
                mine = range(number, order.technicians, order.companies)
                phones += [_technician(company, number, index) for index in range(len(mine))]
                viewers += [_dispatcher(company, index) for index in range(order.dispatchers)]
    return World(names, phones, viewers)


def _technician(company: Company, number: int, index: int) -> Phone:
    """Signed in by phone, with a job today where the technician stops."""
    from dispatch.actions.people import create_customer, create_technician
    from dispatch.actions.sign_in import sign_in_phone
    from dispatch.actions.work import create_job

    name = f"technician{index}"
    technician = create_technician(
        email=f"{name}@{company.schema}.test", password=_PASSWORD, name=name, color="#2563eb"
    )
    now = datetime.now(UTC)
    lat, lon = Track(number, index, starts_at=0).stop
    customer = create_customer(
        name=f"Customer {index}", phone="+12025550150", address="1 Main Street", lat=lat, lon=lon
    )
    create_job(
        title=f"Tap {index}",
        kind="plumbing",
        customer=customer,
        technician=technician,
        starts_at=now - timedelta(seconds=BEHIND_SECONDS),
        ends_at=now + timedelta(hours=8),
    )
    pair = sign_in_phone(user=technician.user, company=company)
    return Phone(number, index, _host(company), PATH, pair.access)


def _dispatcher(company: Company, index: int) -> Viewer:
    from dispatch.actions.people import create_user
    from dispatch.actions.sign_in import sign_in_phone

    user = create_user(
        email=f"dispatcher{index}@{company.schema}.test",
        password=_PASSWORD,
        name=f"Dispatcher {index}",
        role="dispatcher",
    )
    return Viewer(_host(company), sign_in_phone(user=user, company=company).access)


def _host(company: Company) -> str:
    return f"{company.schema}.localhost"


def create_database(url: str, name: str) -> str:
    """Another database on the same server; its URL."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return url.rpartition("/")[0] + f"/{name}"


def check_durable(url: str) -> None:
    """Raise `RigError` unless what this server has committed survives a power cut."""
    with psycopg.connect(url) as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            row = connection.execute(sql.SQL("SHOW {}").format(sql.Identifier(name))).fetchone()
            if row != ("on",):
                raise RigError(f"PostgreSQL's {name} is {row}; it must be on for this bench")


def rows_by_company(url: str, schemas: Sequence[str]) -> list[int]:
    """How many fixes each company has in the database now."""
    query = sql.SQL("SELECT count(*) FROM {}.tracking_fix")
    with psycopg.connect(url) as connection:
        return [_count(connection, query.format(sql.Identifier(each))) for each in schemas]


def baseline_rows(url: str, companies: int) -> list[int]:
    """The same of the baseline's one table."""
    query = sql.SQL(
        "SELECT count(*) FROM baseline_fix JOIN baseline_technician t ON t.id = technician_id "
        "WHERE t.company = {}"
    )
    with psycopg.connect(url) as connection:
        return [_count(connection, query.format(str(each))) for each in range(companies)]


def _count(connection: psycopg.Connection, query: sql.Composed) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
