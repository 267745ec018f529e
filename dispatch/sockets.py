"""The cable's door: which company, which user, and what every channel of a company knows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.models import Session
from django.http import HttpRequest

from cable import Channel, Connection, Identity, Scope, Unauthorized, is_same_origin
from cable.handshake import header
from dispatch.auth import user_of_claims
from dispatch.models import Technician, User
from dispatch.queries import technician_of
from dispatch.tokens import Claims, TokenError, decode_token
from tenants.context import bind_schema, run_in_tenant, run_on_platform
from tenants.queries import Company, UnknownHostError, host_name, locate
from tenants.sessions import SessionStore
from tenants.streams import company_user_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class CompanyIdentity(Identity):
    """A company's user on a socket. `key` carries the schema, as ids repeat among companies."""

    company: Company
    user_id: int
    role: str
    #: Of a technician in service, when the socket was opened.
    technician_id: int | None
    #: The phone's sign-in; None for a browser's.
    phone_session: UUID | None

    @property
    def may_dispatch(self) -> bool:
        return self.role in (User.Role.OWNER, User.Role.DISPATCHER)


class CompanyChannel(Channel):
    """A channel whose streams and reads belong to the company of its connection."""

    @property
    def identity(self) -> CompanyIdentity:
        return cast(CompanyIdentity, self.connection.identity)

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Blocking `work` in the company's schema, off the event loop."""
        return await run_in_tenant(self.identity.company.schema, work, *args, **kwargs)


async def authenticate(scope: Scope, token: str | None) -> CompanyIdentity:
    """Who connects: by access token, or by the browser's session from the company's own page.

    Raises:
        Unauthorized: no such company, nobody signed in, or a page of another origin.
    """
    try:
        company = await run_on_platform(locate, host_name(header(scope, "host") or ""))
    except UnknownHostError:
        raise Unauthorized from None
    if not company.is_ready:
        raise Unauthorized
    if token is not None:
        return await _by_token(company, token)
    if not is_same_origin(scope):
        raise Unauthorized
    return await run_in_tenant(company.schema, _by_session, company, _session_key(scope))


def around_command(connection: Connection, command: str) -> AbstractAsyncContextManager[None]:
    """Bind the connection's company to each command, for logs, cache keys and streams."""
    return _bound(cast(CompanyIdentity, connection.identity).company.schema)


@asynccontextmanager
async def _bound(schema: str) -> AsyncIterator[None]:
    with bind_schema(schema):
        yield


async def _by_token(company: Company, token: str) -> CompanyIdentity:
    try:
        claims = decode_token(token, kind="access", company=company)
        user, technician = await run_in_tenant(company.schema, _user_of, claims)
    except TokenError as error:
        expired = error.code == "token_expired"
        raise Unauthorized("token_expired" if expired else "unauthorized") from None
    return _identity(company, user, technician, expires_at=claims.exp, session=claims.session)


def _user_of(claims: Claims) -> tuple[User, Technician | None]:
    """Raises TokenError."""
    user = user_of_claims(claims)
    return user, technician_of(user)


def _by_session(company: Company, session_key: str | None) -> CompanyIdentity:
    if session_key is None:
        raise Unauthorized
    request = HttpRequest()
    request.session = SessionStore(session_key)
    user: object = get_user(request)
    if not isinstance(user, User):
        raise Unauthorized
    # `get_expiry_date()` counts from now, as if this visit renewed the session.
    expires = Session.objects.values_list("expire_date", flat=True).get(pk=session_key)
    return _identity(company, user, technician_of(user), expires_at=expires.timestamp())


def _identity(
    company: Company,
    user: User,
    technician: Technician | None,
    *,
    expires_at: float,
    session: UUID | None = None,
) -> CompanyIdentity:
    return CompanyIdentity(
        key=company_user_key(company.schema, user.pk),
        group=company.schema,
        expires_at=expires_at,
        company=company,
        user_id=user.pk,
        role=user.role,
        technician_id=technician.pk if technician else None,
        phone_session=session,
    )


def _session_key(scope: Scope) -> str | None:
    try:
        cookies = SimpleCookie(header(scope, "cookie") or "")
    except CookieError:
        return None
    morsel = cookies.get(settings.SESSION_COOKIE_NAME)
    return morsel.value if morsel else None
