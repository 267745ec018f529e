"""A bound on guessing passwords, counted in the company's cache."""

from __future__ import annotations

import hashlib

from django.conf import settings
from django.core.cache import cache

EVERYWHERE = "*"


class TooManyAttemptsError(Exception):
    """Sign-in for this address from this place is closed for a while."""

    def __init__(self) -> None:
        minutes = -(-settings.SIGN_IN_WINDOW_SECONDS // 60)
        super().__init__(
            f"too many sign-in attempts for this e-mail address; wait {minutes} minutes"
        )


def count_attempt(*, email: str, address: str) -> None:
    """Count one attempt before the password is looked at. `address` is the network address.

    Raises:
        TooManyAttemptsError: SIGN_IN_ATTEMPTS from this address, or SIGN_IN_ATTEMPTS_EVERYWHERE
            from all together, are used up within SIGN_IN_WINDOW_SECONDS.
    """
    here = _count(_key(email, address))
    everywhere = _count(_key(email, EVERYWHERE))
    if here > settings.SIGN_IN_ATTEMPTS or everywhere > settings.SIGN_IN_ATTEMPTS_EVERYWHERE:
        raise TooManyAttemptsError


def forget_attempts(*, email: str, address: str) -> None:
    """Start anew after a sign-in that went well."""
    cache.delete(_key(email, address))


def _count(key: str) -> int:
    cache.add(key, 0, timeout=settings.SIGN_IN_WINDOW_SECONDS)
    try:
        return int(cache.incr(key))
    except ValueError:  # the window ended between the two calls
        return 1


def _key(email: str, address: str) -> str:
    # An e-mail address is of any length and may hold what a cache key may not.
    digest = hashlib.sha256(f"{email.strip().lower()}\0{address}".encode()).hexdigest()
    return f"sign-in:{digest}"
