"""Access tokens at REST's door."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from dispatch.auth import user_of_claims
from dispatch.models import User
from dispatch.tokens import Claims, TokenError, decode_token
from tenants.middleware import require_company


class TokenRejected(exceptions.AuthenticationFailed):
    """A 401 that keeps the token error's code."""

    def __init__(self, error: TokenError) -> None:
        super().__init__(detail=error.detail, code=error.code)


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <access token>`. `request.auth` becomes the token's Claims."""

    keyword = "Bearer"

    def authenticate(self, request: Request) -> tuple[User, Claims] | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != self.keyword.lower():
            return None
        try:
            claims = decode_token(token.strip(), kind="access", company=require_company(request))
            return user_of_claims(claims), claims
        except TokenError as error:
            raise TokenRejected(error) from None

    def authenticate_header(self, request: Request) -> str:
        return self.keyword


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document describes TokenAuthentication."""

    target_class = TokenAuthentication
    name = "accessToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
