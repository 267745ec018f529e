"""What isolation tests share: a company that is closed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tenants.context import platform_scope
from tenants.models import Domain, Tenant
from tenants.queries import Company, company_of, forget_hosts


@pytest.fixture(scope="package")  # elsewhere there are two companies
def suspended(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Company]:
    """A suspended company, seen by other processes. Its doors are closed before any table."""
    with django_db_blocker.unblock(), platform_scope():
        tenant = Tenant.objects.create(
            schema_name="initech", name="Initech Inc", status=Tenant.Status.SUSPENDED
        )
        Domain.objects.create(tenant=tenant, domain="initech.localhost")
        forget_hosts()
    yield company_of(tenant)
    with django_db_blocker.unblock(), platform_scope():
        Domain.objects.filter(tenant=tenant).delete()
        Tenant.objects.filter(pk=tenant.pk)._raw_delete("default")  # there is no schema to drop
        forget_hosts()
