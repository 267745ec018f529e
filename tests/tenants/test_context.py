"""The traps of schema tenancy with threads and sockets, each shown harmless here."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection, transaction
from django_tenants.utils import schema_context
from pytest_django.plugin import DjangoDbBlocker

from dispatch.models import Technician
from tenants.context import (
    NoCompanyError,
    bind_schema,
    company_scope,
    current_schema,
    platform_scope,
    run_in_tenant,
    schema_or_none,
)
from tests.world import Persona


def search_path() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW search_path")
        row = cursor.fetchone()
    return str(row[0]) if row else ""


def first_technician() -> str:
    return Technician.objects.get(pk=1).name


ACME_PATH = "acme, public"
GLOBEX_PATH = "globex, public"


@pytest.mark.django_db
@pytest.mark.usefixtures("acme", "globex")
def test_scopes_nest_and_restore_the_one_outside_also_after_an_error() -> None:
    assert search_path() == "public"
    with company_scope("acme"):
        assert (search_path(), current_schema()) == (ACME_PATH, "acme")
        with pytest.raises(ValueError, match="within"), company_scope("globex"):
            assert (search_path(), current_schema()) == (GLOBEX_PATH, "globex")
            raise ValueError("within")
        assert (search_path(), current_schema()) == (ACME_PATH, "acme")
        with platform_scope():
            assert (search_path(), schema_or_none()) == ("public", None)
        assert (search_path(), current_schema()) == (ACME_PATH, "acme")
    assert (search_path(), schema_or_none()) == ("public", None)


@pytest.mark.parametrize("schema", ["", "public"])
def test_public_is_never_a_company(schema: str) -> None:
    with pytest.raises(NoCompanyError, match="not a company's schema"), company_scope(schema):
        pass


def test_work_without_a_company_is_an_error() -> None:
    with pytest.raises(NoCompanyError, match="no company is set"):
        current_schema()


@pytest.mark.django_db
@pytest.mark.usefixtures("acme")
def test_a_company_table_read_without_a_company_does_not_exist() -> None:
    from django.db import ProgrammingError

    with pytest.raises(ProgrammingError, match='relation "dispatch_technician" does not exist'):
        first_technician()


@pytest.mark.django_db
@pytest.mark.usefixtures("acme", "globex")
def test_a_rolled_back_savepoint_takes_no_company_along() -> None:
    """`ROLLBACK TO SAVEPOINT` undoes a `SET search_path` that came after it."""
    with company_scope("acme"), transaction.atomic():
        with company_scope("globex"):
            with pytest.raises(ValueError, match="undo"), transaction.atomic():
                assert search_path() == GLOBEX_PATH
                raise ValueError("undo")
            assert search_path() == GLOBEX_PATH
        assert search_path() == ACME_PATH
        with pytest.raises(ValueError, match="undo"), transaction.atomic():
            with company_scope("globex"):
                assert search_path() == GLOBEX_PATH
            raise ValueError("undo")
        assert search_path() == ACME_PATH


@pytest.mark.django_db
@pytest.mark.usefixtures("acme", "globex")
def test_a_connection_that_was_closed_comes_back_for_the_same_company() -> None:
    with company_scope("globex"):
        with connection.cursor() as cursor:
            cursor.execute("SET search_path = public")  # as a careless raw query might
        assert search_path() == GLOBEX_PATH


@pytest.mark.usefixtures("committed")
def test_a_pooled_connection_goes_back_without_a_company() -> None:
    """A raw cursor on a reused connection must not find the last company's tables."""
    with company_scope("acme"):
        assert search_path() == ACME_PATH
        connection.close()  # back to the pool
    pool = connection.pool
    assert pool is not None
    with pool.connection() as raw:
        row = raw.execute("SHOW search_path").fetchone()
    assert row is not None
    assert "acme" not in row[0]


@pytest.mark.usefixtures("committed")
def test_many_companies_at_once_over_few_threads_never_mix(acme: Persona, globex: Persona) -> None:
    names = {"acme": f"Tess {acme.marker}", "globex": f"Tess {globex.marker}"}

    async def read_all() -> list[tuple[str, str, str]]:
        async def read(schema: str) -> tuple[str, str, str]:
            def work() -> tuple[str, str]:
                return first_technician(), search_path()

            name, path = await run_in_tenant(schema, work)
            return schema, name, path

        return await asyncio.gather(*(read(s) for s in ["acme", "globex"] * 300))

    paths = {"acme": ACME_PATH, "globex": GLOBEX_PATH}
    for schema, name, path in asyncio.run(read_all()):
        assert (name, path) == (names[schema], paths[schema])


@pytest.mark.usefixtures("committed")
def test_an_error_in_a_thread_leaves_no_company_behind() -> None:
    async def fail_then_look() -> str:
        def fail() -> None:
            raise ValueError("in the thread")

        with pytest.raises(ValueError, match="in the thread"):
            await run_in_tenant("acme", fail)
        return await run_in_tenant("globex", search_path)

    assert asyncio.run(fail_then_look()) == GLOBEX_PATH


def test_a_task_on_the_loop_keeps_its_own_company() -> None:
    async def seen(schema: str, gate: asyncio.Barrier) -> tuple[str, str]:
        with bind_schema(schema):
            await gate.wait()  # the other is inside of its scope now
            return schema, current_schema()

    async def both() -> list[tuple[str, str]]:
        gate = asyncio.Barrier(2)
        return await asyncio.gather(seen("acme", gate), seen("globex", gate))

    assert asyncio.run(both()) == [("acme", "acme"), ("globex", "globex")]


def test_why_no_decorators_of_django_tenants(django_db_blocker: DjangoDbBlocker) -> None:
    """`schema_context` keeps the connection on itself: as a decorator, threads share it.

    Two threads run one decorated function. The first to leave restores the connection that the
    second stored, so its own connection stays in the company's schema. Should this ever fail,
    the trap is gone and the ban on the decorator may go as well.
    """
    both_inside = Barrier(2, timeout=10)

    @schema_context("acme")
    def decorated() -> None:
        both_inside.wait()

    def run() -> str:
        from django.db import connection as mine

        decorated()
        return str(mine.schema_name)  # type: ignore[attr-defined]

    with ThreadPoolExecutor(2) as threads:
        left_in = sorted(future.result() for future in [threads.submit(run) for _ in range(2)])
    assert "acme" in left_in


def test_company_scope_has_no_such_race() -> None:
    both_inside = Barrier(2, timeout=10)

    @company_scope("acme")
    def decorated() -> str:
        both_inside.wait()
        return current_schema()

    def run() -> tuple[str, str, str | None]:
        from django.db import connection as mine

        inside = decorated()
        return inside, str(mine.schema_name), schema_or_none()  # type: ignore[attr-defined]

    with ThreadPoolExecutor(2) as threads:
        results = [future.result() for future in [threads.submit(run) for _ in range(2)]]
    assert results == [("acme", "public", None)] * 2
