"""Signing a phone in, keeping it signed in, and signing it out."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from functools import partial

import msgspec
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from cable import disconnect_identity
from dispatch.models import PhoneSession, Technician, User
from dispatch.tokens import Claims, TokenError, decode_token, encode_token
from tenants.context import current_schema
from tenants.queries import Company
from tenants.streams import company_user_key


class TokenPair(msgspec.Struct, frozen=True):
    """What a phone keeps: one token to speak with, one to buy the next pair."""

    access: str
    refresh: str


def sign_in_phone(*, user: User, company: Company) -> TokenPair:
    """Begin a phone session for a user whose password has been checked."""
    now = timezone.now()
    session = PhoneSession(
        user=user,
        current=uuid.uuid4().hex,
        rotated_at=now,
        expires_at=now + timedelta(seconds=settings.REFRESH_TOKEN_SECONDS),
    )
    session.save()
    return _pair(session, company)


def renew_phone(*, refresh: str, company: Company) -> TokenPair:
    """Trade a refresh token for a new pair. Locks the phone session's row.

    The token before the present one is still taken for REFRESH_REUSE_SECONDS, because the
    answer that carried the new one may have been lost on the way. Any other old token means
    that two parties hold the session, so it ends for both (RFC 9700 §4.14.2).

    Raises:
        TokenError: the token is no good; nothing but a revocation was written.
    """
    claims = decode_token(refresh, kind="refresh", company=company)
    now = timezone.now()
    with transaction.atomic():
        session = _open_session(claims)
        if claims.jti == session.current:
            session.previous, session.current = session.current, uuid.uuid4().hex
            session.rotated_at = now
            session.expires_at = now + timedelta(seconds=settings.REFRESH_TOKEN_SECONDS)
            session.save(update_fields=["previous", "current", "rotated_at", "expires_at"])
            return _pair(session, company)
        grace = timedelta(seconds=settings.REFRESH_REUSE_SECONDS)
        if claims.jti == session.previous and now - session.rotated_at <= grace:
            return _pair(session, company)
        _revoke(session, now)
    raise TokenError(
        "token_reused", "this refresh token was used before; the phone is signed out, sign in again"
    )


def revoke_phone(*, refresh: str, company: Company) -> None:
    """Sign one phone out, at once at every door that asks the database, and on the cable.

    Raises:
        TokenError: the token is no good, or the phone is signed out already.
    """
    claims = decode_token(refresh, kind="refresh", company=company)
    with transaction.atomic():
        session = _open_session(claims)
        _revoke(session, timezone.now())


def close_sockets(*, user_id: int) -> None:
    """Close every socket of the present company's user, after the transaction commits.

    Their clients connect anew, and those that are signed out are refused then.
    """
    disconnect_identity(company_user_key(current_schema(), user_id))


def _revoke(session: PhoneSession, now: datetime) -> None:
    session.revoked_at = now
    session.save(update_fields=["revoked_at"])
    close_sockets(user_id=session.user_id)


def _open_session(claims: Claims) -> PhoneSession:
    session = (
        PhoneSession.objects.select_for_update(of=("self",))
        .select_related("user")
        # One with a key has no tokens, whatever is signed in its name.
        .filter(pk=claims.session, key_digest="", revoked_at=None, user__is_active=True)
        .first()
    )
    if session is None:
        raise TokenError("token_revoked", "this phone was signed out; sign in again")
    return session


def _pair(session: PhoneSession, company: Company) -> TokenPair:
    user = session.user
    technician = Technician.objects.filter(user=user, is_active=True).first()

    encode = partial(
        encode_token,
        company=company,
        user=user.pk,
        session=session.pk,
        role=user.role,
        technician=technician.pk if technician else None,
    )
    return TokenPair(
        access=encode(kind="access", jti=uuid.uuid4().hex),
        refresh=encode(kind="refresh", jti=session.current),
    )


def delete_expired_sign_ins() -> int:
    """Delete phone and browser sessions that have run out; returns how many.

    A revoked key goes at once: no row is needed to refuse it. That of a phone that was signed out
    stays as long as its tokens would have been good.
    """
    now = timezone.now()
    revoked_keys = Q(revoked_at__lt=now) & ~Q(key_digest="")
    phones, _ = PhoneSession.objects.filter(Q(expires_at__lt=now) | revoked_keys).delete()
    browsers, _ = Session.objects.filter(expire_date__lt=now).delete()
    return phones + browsers
