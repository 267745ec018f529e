"""Who speaks, by a signed token; in a module of its own, since REST framework's views import it."""

from __future__ import annotations

import jwt
from django.conf import settings
from django.contrib.auth.models import User
from rest_framework import authentication, exceptions
from rest_framework.request import Request

ALGORITHM = "HS256"


class TokenAuthentication(authentication.BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[User, str] | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            claims = jwt.decode(token, settings.SECRET_KEY, algorithms=[ALGORITHM])
            user = User.objects.select_related("technician").get(
                pk=claims["user"], is_active=True, technician__company=claims["company"]
            )
        except (jwt.InvalidTokenError, KeyError, User.DoesNotExist) as error:
            raise exceptions.AuthenticationFailed("this token is no good") from error
        return user, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
