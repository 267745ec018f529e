"""Phones' keys that were found good a moment ago, so that an upload needs no query for it."""

from __future__ import annotations

import time
from collections import OrderedDict

from django.conf import settings
from django.utils import timezone

from dispatch.auth import KeyHolder, holder_of_key
from dispatch.keys import key_digest, session_of_key
from dispatch.tokens import TokenError
from tenants.context import run_in_tenant
from tenants.queries import Company

# By digest: no key is kept in memory.
_remembered: OrderedDict[tuple[str, str], tuple[float, KeyHolder]] = OrderedDict()


async def remembered_holder(key: str, *, company: Company) -> KeyHolder:
    """As `holder_of_key` in the company, asked once in PHONE_KEY_CACHE_SECONDS. On the event loop.

    Who stores something by it looks again whether the phone is still good.

    Raises:
        TokenError: as `holder_of_key`.
        OperationalError, PoolTimeout: the database cannot be reached.
    """
    if session_of_key(key) is None:
        raise TokenError("key_invalid", "this has not the form of a phone's key")
    name = company.id, key_digest(key)
    until, holder = _remembered.get(name, (0.0, None))
    if holder is not None and until > time.monotonic() and holder.expires_at > timezone.now():
        return holder
    _remembered.pop(name, None)
    holder = await run_in_tenant(company.schema, holder_of_key, key)
    _remembered[name] = time.monotonic() + settings.PHONE_KEY_CACHE_SECONDS, holder
    if len(_remembered) > settings.PHONE_KEYS_REMEMBERED:
        _remembered.popitem(last=False)
    return holder


def forget_key(key: str, *, company: Company) -> None:
    """Ask the database when it comes next."""
    _remembered.pop((company.id, key_digest(key)), None)
