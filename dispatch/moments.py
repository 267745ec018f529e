"""Moments that people tell: by a phone's button, or from memory."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from dispatch.errors import BadInputError, FieldError


def require_tellable(field: str, moment: datetime, *, now: datetime) -> None:
    """Refuse what can only be a wrong clock or a slip of the pen.

    Raises:
        BadInputError: more than TOLD_AHEAD_SECONDS from now, or TOLD_MAX_AGE_SECONDS ago.
    """
    latest = now + timedelta(seconds=settings.TOLD_AHEAD_SECONDS)
    earliest = now - timedelta(seconds=settings.TOLD_MAX_AGE_SECONDS)
    if not earliest <= moment <= latest:
        raise BadInputError(
            FieldError(
                field,
                moment.isoformat(),
                f"must lie between {earliest:%Y-%m-%dT%H:%M:%SZ} and {latest:%Y-%m-%dT%H:%M:%SZ}",
            )
        )
