"""Which company a host or a token means."""

from __future__ import annotations

import time
from threading import Lock
from zoneinfo import ZoneInfo

import msgspec
from django.conf import settings

from tenants.context import platform_scope
from tenants.models import Domain, Tenant


class Company(msgspec.Struct, frozen=True):
    """What every door needs to know of a company. `id` is the token claim's value."""

    id: str
    schema: str
    name: str
    time_zone: str
    cell: str
    status: str

    @property
    def is_ready(self) -> bool:
        return self.status == Tenant.Status.READY


class UnknownHostError(LookupError):
    """No company answers on this host."""


# Hosts that one process remembers. Unknown hosts are remembered too, so that a scan of
# invented names costs a query each only until this many; then the oldest are forgotten.
MAX_REMEMBERED_HOSTS = 5000

_remembered: dict[str, tuple[float, Company | None]] = {}
_lock = Lock()


def host_name(host_header: str) -> str:
    """The host without port, in lower case. `host_header` is `Host`'s value."""
    name = host_header.strip().lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.partition(":")[0].rstrip(".")


def is_public_host(host: str) -> bool:
    """Whether `host` (a result of `host_name`) is the staff's site."""
    return host in settings.PUBLIC_HOSTS


def locate(host: str) -> Company:
    """The company that answers on `host` (a result of `host_name`).

    Reads the public schema at most once in TENANT_CACHE_SECONDS per host and process.

    Raises:
        UnknownHostError: no company has this host.
    """
    remembered = _recall(host)
    if remembered is None:
        remembered = (time.monotonic() + settings.TENANT_CACHE_SECONDS, _read_company(host))
        with _lock:
            _remembered.pop(host, None)
            while len(_remembered) >= MAX_REMEMBERED_HOSTS:
                del _remembered[next(iter(_remembered))]
            _remembered[host] = remembered
    if remembered[1] is None:
        raise UnknownHostError(f"no company answers on {host!r}")
    return remembered[1]


def recall(host: str) -> Company | None:
    """The company that this process knows to answer on `host`, without asking the database."""
    remembered = _recall(host)
    return None if remembered is None else remembered[1]


def _recall(host: str) -> tuple[float, Company | None] | None:
    with _lock:
        remembered = _remembered.get(host)
    return remembered if remembered is not None and remembered[0] > time.monotonic() else None


def forget_hosts() -> None:
    """Drop what this process remembers of hosts, after companies changed."""
    with _lock:
        _remembered.clear()


def ready_schemas() -> list[str]:
    """The schemas of all companies that are in service, in the order of their names."""
    with platform_scope():
        return list(
            Tenant.objects.filter(status=Tenant.Status.READY)
            .order_by("schema_name")
            .values_list("schema_name", flat=True)
        )


def is_in_service(schema: object) -> bool:
    """Whether `schema` is that of a company in service; anything else may come in a message."""
    if not isinstance(schema, str):
        return False
    with platform_scope():
        return Tenant.objects.filter(schema_name=schema, status=Tenant.Status.READY).exists()


def time_zone_of(schema: str) -> ZoneInfo:
    """A company's time zone, for work that no request brought.

    Raises:
        Tenant.DoesNotExist: no company has this schema.
    """
    with platform_scope():
        name = Tenant.objects.values_list("time_zone", flat=True).get(schema_name=schema)
    return ZoneInfo(name)


def company_of(tenant: Tenant) -> Company:
    return Company(
        id=str(tenant.id),
        schema=tenant.schema_name,
        name=tenant.name,
        time_zone=tenant.time_zone,
        cell=tenant.cell,
        status=tenant.status,
    )


def _read_company(host: str) -> Company | None:
    with platform_scope():
        domain = Domain.objects.select_related("tenant").filter(domain=host).first()
    return company_of(domain.tenant) if domain else None
