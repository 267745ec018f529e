"""Tasks. Each runs for the company that asked for it, and is refused without one.

Built on tenant-schemas-celery, which carries the schema in a header and switches the
connection. Left to itself it runs a task without a header in `public`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from celery import current_app
from celery.result import AsyncResult
from django.db import transaction
from tenant_schemas_celery.app import CeleryApp
from tenant_schemas_celery.task import TenantTask

from tenants.context import (
    NoCompanyError,
    company_scope,
    current_schema,
    platform_scope,
    schema_or_none,
)

SCHEMA_HEADER = "_schema_name"


def ask_for(task_name: str, *arguments: Any) -> None:
    """Ask for a task of the present company by its name, after the transaction commits.

    For actions, which import no tasks.

    Raises:
        NoCompanyError: outside of a company's scope.
    """
    headers = {SCHEMA_HEADER: current_schema()}
    send = partial(current_app.send_task, task_name, args=arguments, headers=headers)
    transaction.on_commit(send)


class CompanyTask(TenantTask):
    """A task of one company, and the base of every task unless it says otherwise.

    The schema is taken when the task is asked for, not when it is sent: otherwise
    `delay_on_commit` inside a nested scope would send it with the scope around it.
    """

    abstract = True
    shared = False

    def apply_async(self, *args: Any, **options: Any) -> AsyncResult[Any]:
        options["headers"] = self._with_schema(options.get("headers"))
        return super().apply_async(*args, **options)

    def apply(self, *args: Any, **options: Any) -> Any:
        options["headers"] = self._with_schema(options.get("headers"))
        return super().apply(*args, **options)

    def apply_async_on_commit(self, *args: Any, **options: Any) -> None:
        options["headers"] = self._with_schema(options.get("headers"))
        transaction.on_commit(partial(self.apply_async, *args, **options))

    def delay_on_commit(self, *args: Any, **kwargs: Any) -> None:
        self.apply_async_on_commit(args=args, kwargs=kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.shared:
            with platform_scope():
                return self.run(*args, **kwargs)
        schema = self._schema_of_request()
        if not schema:
            raise NoCompanyError(f"task {self.name} came without a company and is refused")
        # A company may be gone by now. Its schema's absence would leave `public` in the search
        # path, where the staff's sessions are.
        from tenants.queries import is_in_service  # models, which a worker loads after this

        if not self.request.called_directly and not is_in_service(schema):
            raise NoCompanyError(
                f"task {self.name} came for {schema!r}, which is no company in service, "
                "and is refused"
            )
        with company_scope(schema):
            return self.run(*args, **kwargs)

    def _with_schema(self, headers: Mapping[str, Any] | None) -> dict[str, Any]:
        headers = dict(headers or {})
        if self.shared:
            headers[SCHEMA_HEADER] = "public"
        elif not headers.get(SCHEMA_HEADER):
            schema = schema_or_none()
            if schema is None:
                raise NoCompanyError(
                    f"task {self.name} needs a company; ask for it within company_scope(…)"
                )
            headers[SCHEMA_HEADER] = schema
        return headers

    def _schema_of_request(self) -> str | None:
        if self.request.called_directly:
            return schema_or_none()
        # Over Redis, Celery merges the headers into the request itself.
        headers = self.request.headers or {}
        schema = headers.get(SCHEMA_HEADER) or self.request.get(SCHEMA_HEADER)
        return None if schema == "public" else schema


class PlatformTask(CompanyTask):
    """A task of the platform itself, which works in the public schema."""

    abstract = True
    shared = True


class CompanyCelery(CeleryApp):
    """The Celery application whose tasks are CompanyTasks."""

    task_cls = "tenants.celery:CompanyTask"
