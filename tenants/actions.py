"""Everything that creates or changes a company."""

from __future__ import annotations

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django_tenants.clone import CloneSchema

from tenants.context import platform_scope
from tenants.models import Domain, Tenant
from tenants.queries import Company, company_of, forget_hosts


def create_company(
    *, schema: str, name: str, time_zone: str = "UTC", host: str | None = None
) -> Company:
    """Create a company by copying the template schema; it is in service when this returns.

    All or nothing: row, host and schema are made in one transaction. `host` defaults to
    `<schema>.<BASE_DOMAIN>`.

    Raises:
        ValidationError: the schema's name, the zone or the host is wrong or already taken.
        TemplateMissingError: `migrate_all` has not made the template yet.
    """
    with platform_scope(), transaction.atomic():
        tenant = Tenant(
            schema_name=schema,
            name=name,
            time_zone=time_zone,
            status=Tenant.Status.READY,
            ready_at=timezone.now(),
        )
        tenant.full_clean()
        if not schema_exists(settings.TEMPLATE_SCHEMA):
            raise TemplateMissingError("run `manage.py migrate_all` before creating companies")
        tenant.save()
        domain = Domain(tenant=tenant, domain=(host or f"{schema}.{settings.BASE_DOMAIN}").lower())
        domain.full_clean()
        domain.save()
        CloneSchema().clone_schema(settings.TEMPLATE_SCHEMA, schema, "DATA", set_connection=False)
    forget_hosts()
    return company_of(tenant)


def update_company(*, tenant: Tenant) -> None:
    """Store a company's changed name, zone or status; its schema never changes.

    This process acts on it at once, others within TENANT_CACHE_SECONDS.

    Raises:
        ValidationError: a field is wrong.
    """
    with platform_scope():
        tenant.full_clean()
        tenant.save(update_fields=["name", "time_zone", "status"])
    forget_hosts()


class TemplateMissingError(RuntimeError):
    """There is no template schema to copy a company from."""


def schema_exists(schema: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [schema])
        return cursor.fetchone() is not None
