"""Which company the present work is for. The only place that switches a connection.

django-tenants keeps the schema on the database connection, which belongs to a thread; a new
connection starts in `public`. Work on the event loop has no connection at all. So the company
is kept in a context variable as well, and both are always set together by `company_scope`.

`schema_context` and `tenant_context` of django-tenants keep state on themselves: used as
decorators, two threads restore each other's schema. Nothing outside this module uses them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from typing import Any, ParamSpec, TypeVar, cast

from django.conf import settings
from django.db import close_old_connections, connection

P = ParamSpec("P")
T = TypeVar("T")

PUBLIC = "public"

# django-tenants adds methods that Django's type does not have.
_tenant_connection = cast(Any, connection)

_schema: ContextVar[str | None] = ContextVar("company_schema", default=None)


class NoCompanyError(RuntimeError):
    """Work that belongs to a company was started without one."""


def schema_or_none() -> str | None:
    """The present company's schema, or None on the staff's side and outside of any work."""
    return _schema.get()


def current_schema() -> str:
    """The present company's schema.

    Raises:
        NoCompanyError: there is none. `public` is never a stand-in.
    """
    schema = _schema.get()
    if schema is None:
        raise NoCompanyError(
            "no company is set for this work; enter one with `with company_scope(schema):`"
        )
    return schema


def quoted_schema(schema: str) -> str:
    """A company's schema as an identifier of SQL, for statements that span companies.

    All else enters the company with `company_scope`.

    Raises:
        NoCompanyError: `schema` is empty or `public`.
    """
    if not schema or schema == PUBLIC:
        raise NoCompanyError(f"{schema!r} is not a company's schema")
    return connection.ops.quote_name(schema)


@lru_cache(maxsize=50_000)
def in_schema(statement: str, schema: str) -> str:
    """A statement in which `{schema}.` stands before each table, for one company.

    Remembered, as it is asked for with each upload; raises like `quoted_schema`.
    """
    return statement.replace("{schema}", quoted_schema(schema))


@contextmanager
def company_scope(schema: str) -> Iterator[None]:
    """Bind this thread's database connection and this context to one company.

    Scopes nest; the one outside is restored also after an error. Open it outside of
    `transaction.atomic()`: what runs after commit must still know its company.

    Raises:
        NoCompanyError: `schema` is empty or `public`.
    """
    if not schema or schema == PUBLIC:
        raise NoCompanyError(f"{schema!r} is not a company's schema")
    with _scope(schema):
        yield


@contextmanager
def platform_scope() -> Iterator[None]:
    """Bind this thread's connection to the public schema: companies, domains and staff."""
    with _scope(None):
        yield


@contextmanager
def bind_schema(schema: str | None) -> Iterator[None]:
    """Set only the context variable, for code on the event loop, which owns no connection."""
    token = _schema.set(schema)
    try:
        yield
    finally:
        _schema.reset(token)


@contextmanager
def _scope(schema: str | None) -> Iterator[None]:
    previous = _tenant_connection.tenant
    with bind_schema(schema):
        _tenant_connection.set_schema(schema or PUBLIC)
        try:
            yield
        finally:
            _tenant_connection.set_tenant(previous)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(
        max_workers=settings.SOCKET_DATABASE_THREADS, thread_name_prefix="company-db"
    )


async def run_in_tenant(
    schema: str, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
) -> T:
    """Run blocking `work` for one company from a socket, on a pool of threads of its own.

    Channels' `database_sync_to_async` would use one thread for all sockets of the process,
    whose connection keeps the company of whoever came before.

    Raises:
        NoCompanyError: `schema` is empty or `public`; otherwise what `work` raises.
    """
    return await _run_in_thread(company_scope(schema), work, *args, **kwargs)


async def run_on_platform(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Like `run_in_tenant`, for the public schema: to look a company up, and for little else."""
    return await _run_in_thread(platform_scope(), work, *args, **kwargs)


async def _run_in_thread(
    scope: AbstractContextManager[None], work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    def in_thread() -> T:
        close_old_connections()
        try:
            with scope:
                return work(*args, **kwargs)
        finally:
            connection.close()  # back to the pool: idle threads hold none

    return await asyncio.get_running_loop().run_in_executor(_threads(), in_thread)
