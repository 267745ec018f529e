"""Cache keys. A company's keys carry its schema; without a company there is no key."""

from __future__ import annotations

from typing import NoReturn

from django.core.cache.backends.redis import RedisCache

from tenants.context import current_schema


class CompanyRedisCache(RedisCache):
    """Redis without `clear`, which would empty the database for every company at once."""

    def clear(self) -> NoReturn:
        raise NotImplementedError("clear() would empty every company's cache; delete keys by name")


def company_key(key: str, key_prefix: str, version: int) -> str:
    """KEY_FUNCTION of the `default` cache.

    Raises:
        NoCompanyError: no company is set; use `caches["shared"]` for the platform's own.
    """
    return f"company:{current_schema()}:{key_prefix}:{version}:{key}"


def shared_key(key: str, key_prefix: str, version: int) -> str:
    """KEY_FUNCTION of the `shared` cache, which belongs to no company."""
    return f"shared:{key_prefix}:{version}:{key}"
