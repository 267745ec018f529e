"""Giving a phone a key, and ending a phone's session."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from dispatch.actions.sign_in import close_sockets
from dispatch.errors import BadInputError, FieldError
from dispatch.keys import key_digest, new_key
from dispatch.models import PhoneSession, Technician
from dispatch.queries import open_phones


def issue_key(*, technician: Technician, label: str) -> tuple[PhoneSession, str]:
    """A new key for one of the technician's phones: its session, and the text to show once.

    Locks the technician's row, so that two at once cannot pass the bound.

    Raises:
        BadInputError: PHONE_KEYS_PER_TECHNICIAN are in use (status 409).
        ValidationError: the label is too long.
    """
    now = timezone.now()
    session = PhoneSession(
        user_id=technician.user_id,
        label=label,
        rotated_at=now,
        expires_at=now + timedelta(seconds=settings.PHONE_KEY_SECONDS),
    )
    key = new_key(session.pk)
    session.key_digest = key_digest(key)
    session.full_clean(validate_unique=False)
    with transaction.atomic():
        Technician.objects.select_for_update().get(pk=technician.pk)
        own = open_phones(Technician.objects.filter(pk=technician.pk))
        in_use = own.exclude(key_digest="").count()
        if in_use >= settings.PHONE_KEYS_PER_TECHNICIAN:
            raise BadInputError(
                FieldError(
                    "technician",
                    technician.pk,
                    f"may have at most {settings.PHONE_KEYS_PER_TECHNICIAN} keys; revoke one first",
                ),
                status=409,
            )
        session.save()
    return session, key


def end_phone(*, session: uuid.UUID) -> bool:
    """Revoke a phone's key, or sign it out; False when it was ended already.

    Its next upload is refused, and its sockets are closed after the commit.
    """
    with transaction.atomic():
        open_ones = PhoneSession.objects.filter(pk=session, revoked_at=None)
        if not open_ones.update(revoked_at=timezone.now()):
            return False
        close_sockets(user_id=PhoneSession.objects.get(pk=session).user_id)
    return True
