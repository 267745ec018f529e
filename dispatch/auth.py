"""Who is speaking to a company: by password, by a checked access token, or by a phone's key."""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.contrib.auth.backends import BaseBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils import timezone

from dispatch.keys import key_digest, session_of_key
from dispatch.models import PhoneSession, User
from dispatch.tokens import Claims, TokenError
from tenants.context import schema_or_none


class CompanyBackend(BaseBackend):
    """Checks the e-mail address and password of a company's user, on the company's host."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **_: Any,
    ) -> User | None:
        if schema_or_none() is None or username is None or password is None:
            return None
        try:
            user = User.objects.get_by_natural_key(username)
        except User.DoesNotExist:
            # As slow as a real check, so that the answer's time tells no one who works here.
            User().set_password(password)
            return None
        return user if user.check_password(password) and user.is_active else None

    def get_user(self, user_id: int) -> User | None:
        if schema_or_none() is None:
            return None
        return User.objects.filter(pk=user_id, is_active=True).first()

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        return set()


def current_user(request: HttpRequest) -> User:
    """The company's user who makes a request that came through authentication.

    Raises:
        PermissionDenied: nobody, or not a user of this company.
    """
    user: object = request.user
    if not isinstance(user, User):
        raise PermissionDenied("this needs a user of the company")
    return user


def user_of_claims(claims: Claims) -> User:
    """The user of a checked access token, by one query.

    Raises:
        TokenError: the phone was signed out, or the user left.
    """
    session = (
        PhoneSession.objects.select_related("user")
        .filter(pk=claims.session, user=claims.user, revoked_at=None, user__is_active=True)
        .first()
    )
    if session is None:
        raise TokenError("token_revoked", "this phone was signed out; sign in again")
    return session.user


class KeyHolder(msgspec.Struct, frozen=True):
    """Whose a good key is."""

    session: UUID
    technician: int
    expires_at: datetime


def holder_of_key(key: str) -> KeyHolder:
    """The phone of the present company that a key belongs to, by one query.

    Raises:
        TokenError: it is no key of this company, was revoked or has run out, or its technician
            is not in service.
    """
    number = session_of_key(key)
    session = (
        PhoneSession.objects.filter(
            pk=number,
            revoked_at=None,
            expires_at__gt=timezone.now(),
            user__is_active=True,
            user__technician__is_active=True,
        )
        .select_related("user__technician")
        .first()
        if number
        else None
    )
    if session is None or not hmac.compare_digest(session.key_digest, key_digest(key)):
        raise TokenError(
            "key_invalid", "this is no key of a phone here, or it was revoked or has run out"
        )
    return KeyHolder(session.pk, session.user.technician.pk, session.expires_at)
