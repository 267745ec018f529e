"""JSON Web Tokens for phones (RFC 7519), signed with HS256.

An access token says who speaks: user, role, technician, company, phone session. It lives for
ACCESS_TOKEN_SECONDS and can be checked without a database. A refresh token is good for one
use and buys the next pair; `dispatch.actions.sign_in` keeps its state.
"""

from __future__ import annotations

import time
import uuid
from collections import OrderedDict
from typing import Annotated, Any, Literal

import jwt
import msgspec
from django.conf import settings
from django.utils.crypto import salted_hmac

from tenants.claims import WrongCompanyError, check_company_claim, company_claim
from tenants.queries import Company

ISSUER = "sera"
ALGORITHM = "HS256"
# Two servers' clocks may differ by this much before a token counts as expired or not yet valid.
CLOCK_LEEWAY_SECONDS = 2

TokenKind = Literal["access", "refresh"]


class TokenError(Exception):
    """A token that does not open this door. `code` is for programs, the text for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a checked token says. `exp` is in seconds of UNIX time."""

    kind: TokenKind
    # Never empty: a session without refresh tokens has empty ones.
    jti: Annotated[str, msgspec.Meta(min_length=1)]
    exp: float
    company: str
    user: int
    session: uuid.UUID
    role: str
    technician: int | None


def encode_token(
    *,
    kind: TokenKind,
    company: Company,
    user: int,
    session: uuid.UUID,
    role: str,
    technician: int | None,
    jti: str,
) -> str:
    """A signed token of one kind for one company's user."""
    lifetime = settings.ACCESS_TOKEN_SECONDS if kind == "access" else settings.REFRESH_TOKEN_SECONDS
    now = time.time()
    payload: dict[str, Any] = {
        "iss": ISSUER,
        "iat": int(now),
        "exp": int(now) + lifetime,
        "kind": kind,
        "jti": jti,
        "user": user,
        "session": str(session),
        "role": role,
        "technician": technician,
        **company_claim(company),
    }
    return jwt.encode(payload, _key(), algorithm=ALGORITHM)


_remembered: OrderedDict[tuple[str, str], Claims] = OrderedDict()


def decode_access_token(token: str, *, company: Company) -> Claims:
    """As `decode_token`, but a token is checked once for as long as it is good.

    The check costs more than all else that a phone's upload asks of the event loop, and a phone
    sends the same token many times.

    Raises:
        TokenError: as `decode_token`.
    """
    claims = _remembered.get((token, company.id))
    if claims is not None and time.time() < claims.exp:
        return claims
    claims = decode_token(token, kind="access", company=company)
    _remembered[token, company.id] = claims
    if len(_remembered) > settings.ACCESS_TOKENS_REMEMBERED:
        _remembered.popitem(last=False)
    return claims


def decode_token(token: str, *, kind: TokenKind, company: Company) -> Claims:
    """Check signature, issuer, expiry, kind and company, in this order.

    Raises:
        TokenError: with code token_invalid, token_expired, token_wrong_kind or
            token_wrong_company.
    """
    try:
        payload = jwt.decode(
            token,
            _key(),
            algorithms=[ALGORITHM],
            issuer=ISSUER,
            leeway=CLOCK_LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "iss", "jti"]},
        )
        claims = msgspec.convert(payload, Claims)
    except jwt.ExpiredSignatureError:
        raise TokenError(
            "token_expired",
            f"this {kind} token has expired; "
            + (
                "renew it at /api/v1/auth/token/refresh/"
                if kind == "access"
                else "sign in again at /api/v1/auth/token/"
            ),
        ) from None
    except (jwt.InvalidTokenError, msgspec.ValidationError):
        raise TokenError(
            "token_invalid", "this is not a token that Sera issued, or it was changed"
        ) from None
    if claims.kind != kind:
        raise TokenError(
            "token_wrong_kind", f"this is a token of kind {claims.kind!r}; {kind!r} is needed here"
        )
    try:
        check_company_claim(payload, company)
    except WrongCompanyError as error:
        raise TokenError("token_wrong_company", str(error)) from None
    return claims


def _key() -> bytes:
    """A key of its own, so that no other signature of this site can pass for a token."""
    return salted_hmac("sera.tokens", "v1", algorithm="sha256").digest()
