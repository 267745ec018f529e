"""Work of both companies in any order on the same threads: each step knows where it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from typing import Any

import pytest
from django.core.cache import cache, caches
from django.db import ProgrammingError, connection, transaction
from django.test import Client
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dispatch.models import Customer, Technician
from tenants.context import (
    NoCompanyError,
    company_scope,
    platform_scope,
    run_in_tenant,
    schema_or_none,
)
from tests.isolation.intruders import phone
from tests.world import Persona

THREADS = st.integers(0, 1)
COMPANIES = st.sampled_from(["acme", "globex"])
PLACES = st.sampled_from(["acme", "globex", None])
# Enough for each pair of rules to follow one another several times; about 5 s in all.
EXAMPLES, STEPS = 25, 30


class SomethingBroke(Exception):
    """An error in the middle of work."""


class Interleaving(RuleBasedStateMachine):
    """Two threads, each with a stack of scopes and transactions that it is in."""

    #: Set by the test.
    personas: dict[str, Persona]
    clients: dict[str, Client]

    def __init__(self) -> None:
        super().__init__()
        self.threads = [ThreadPoolExecutor(1) for _ in range(2)]
        self.stacks: list[list[tuple[str, str | None, AbstractContextManager[Any]]]] = [[], []]
        self.cached: dict[str, int] = {}
        caches["shared"].clear()

    def on(self, thread: int, work: Callable[[], Any]) -> Any:
        """Run it on that thread, with its connection and its context."""
        return self.threads[thread].submit(work).result(20)

    def place(self, thread: int) -> str | None:
        """Where the model says that the thread is."""
        scopes = [schema for kind, schema, _ in self.stacks[thread] if kind == "scope"]
        return scopes[-1] if scopes else None

    def in_transaction(self, thread: int) -> bool:
        return any(kind == "transaction" for kind, _, _ in self.stacks[thread])

    def leave(self, thread: int, error: SomethingBroke | None = None) -> None:
        _, _, scope = self.stacks[thread].pop()
        with suppress(SomethingBroke):
            kind = type(error) if error else None
            self.on(thread, lambda: scope.__exit__(kind, error, None))

    # --- Steps

    @rule(thread=THREADS, place=PLACES)
    def enter_scope(self, thread: int, place: str | None) -> None:
        scope = company_scope(place) if place else platform_scope()
        self.on(thread, scope.__enter__)
        self.stacks[thread].append(("scope", place, scope))

    @rule(thread=THREADS)
    def enter_transaction(self, thread: int) -> None:
        """A savepoint, where there is a transaction already."""
        atomic = transaction.atomic()
        self.on(thread, atomic.__enter__)
        self.stacks[thread].append(("transaction", None, atomic))

    @precondition(lambda self: any(self.stacks))
    @rule(thread=THREADS, fails=st.booleans())
    def leave_what_was_entered_last(self, thread: int, *, fails: bool) -> None:
        if self.stacks[thread]:
            self.leave(thread, SomethingBroke() if fails else None)

    @rule(thread=THREADS, place=PLACES)
    def fail_within_a_savepoint(self, thread: int, place: str | None) -> None:
        def work() -> None:
            scope = company_scope(place) if place else platform_scope()
            with suppress(SomethingBroke), transaction.atomic(), scope:
                connection.cursor().execute("SELECT 1")  # sends the search path
                raise SomethingBroke

        self.on(thread, work)

    @rule(thread=THREADS)
    def lose_the_connection(self, thread: int) -> None:
        if not self.in_transaction(thread):
            self.on(thread, _close)

    @rule(thread=THREADS)
    def write_and_roll_back(self, thread: int) -> None:
        """What was changed is this company's, and it is not changed for long."""
        here = self.place(thread)
        if here is None:
            return

        def work() -> int:
            changed = 0
            with suppress(SomethingBroke), transaction.atomic():
                changed = Customer.objects.filter(name__contains=f"{here.upper()}").update(name="x")
                raise SomethingBroke
            return changed

        assert self.on(thread, work) == 1

    @rule(thread=THREADS)
    def read_a_companys_table(self, thread: int) -> None:
        here = self.place(thread)

        def work() -> list[str]:
            with transaction.atomic():
                return list(Technician.objects.values_list("name", flat=True))

        if here is None:
            with pytest.raises(ProgrammingError, match="does not exist"):
                self.on(thread, work)
        else:
            names = self.on(thread, work)
            assert names == [f"{who} {self.personas[here].marker}" for who in ("Tess", "Will")]

    @rule(thread=THREADS, company=COMPANIES)
    def make_a_request(self, thread: int, company: str) -> None:
        response = self.on(thread, lambda: self.clients[company].get("/api/v1/technicians/"))
        said = response.content.decode()
        for schema, persona in self.personas.items():
            assert said.count(persona.marker) == (2 if schema == company else 0)

    @rule(company=COMPANIES)
    def work_for_a_socket(self, company: str) -> None:
        name = asyncio.run(run_in_tenant(company, lambda: Technician.objects.get(pk=1).name))
        assert name == f"Tess {self.personas[company].marker}"

    @rule(company=COMPANIES)
    def fail_for_a_socket(self, company: str) -> None:
        def work() -> None:
            connection.cursor().execute("SELECT 1")
            raise SomethingBroke

        with pytest.raises(SomethingBroke):
            asyncio.run(run_in_tenant(company, work))

    @rule(thread=THREADS, value=st.integers(0, 9))
    def put_into_the_cache(self, thread: int, value: int) -> None:
        here = self.place(thread)
        if here is None:
            with pytest.raises(NoCompanyError):
                self.on(thread, lambda: cache.set("key", value))
        else:
            self.on(thread, lambda: cache.set("key", value))
            self.cached[here] = value

    @rule(thread=THREADS)
    def take_from_the_cache(self, thread: int) -> None:
        here = self.place(thread)
        if here is None:
            with pytest.raises(NoCompanyError):
                self.on(thread, lambda: cache.get("key"))
        else:
            assert self.on(thread, lambda: cache.get("key")) == self.cached.get(here)

    # --- What always holds

    @invariant()
    def every_thread_knows_where_it_is(self) -> None:
        for thread in range(2):
            here = self.place(thread)
            wanted = (here, f"{here}, public" if here else "public")
            assert self.on(thread, _where) == wanted

    def teardown(self) -> None:
        for thread, stack in enumerate(self.stacks):
            while stack:
                self.leave(thread)
            self.on(thread, _close)
            self.threads[thread].shutdown()


def _close() -> None:
    """`connection` is the one of the thread that reads it."""
    connection.close()


def _where() -> tuple[str | None, str]:
    with connection.cursor() as cursor:
        cursor.execute("SHOW search_path")
        return schema_or_none(), cursor.fetchone()[0]


@pytest.mark.usefixtures("committed")
def test_any_order_of_work_keeps_the_companies_apart(acme: Persona, globex: Persona) -> None:
    personas = {"acme": acme, "globex": globex}
    Interleaving.personas = personas
    Interleaving.clients = {
        schema: Client(
            HTTP_HOST=persona.host,
            headers={"Authorization": f"Bearer {phone(persona, persona.owner)['access']}"},
        )
        for schema, persona in personas.items()
    }
    run_state_machine_as_test(
        Interleaving,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
