"""Cache keys. A company's keys carry its schema; without a company there is no key."""

from __future__ import annotations

from tenants.context import current_schema


def company_key(key: str, key_prefix: str, version: int) -> str:
    """KEY_FUNCTION of the `default` cache.

    Raises:
        NoCompanyError: no company is set; use `caches["shared"]` for the platform's own.
    """
    return f"company:{current_schema()}:{key_prefix}:{version}:{key}"


def shared_key(key: str, key_prefix: str, version: int) -> str:
    """KEY_FUNCTION of the `shared` cache, which belongs to no company."""
    return f"shared:{key_prefix}:{version}:{key}"
