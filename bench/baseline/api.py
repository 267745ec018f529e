"""The one view: `CreateAPIView` with a model serializer, behind a bearer token."""

from __future__ import annotations

from typing import Any

import jwt
from django.conf import settings
from django.contrib.auth.models import User
from rest_framework import authentication, exceptions, generics, serializers
from rest_framework.request import Request

from bench.baseline.models import Fix

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


class FixSerializer(serializers.ModelSerializer[Fix]):
    class Meta:
        model = Fix
        fields = (
            *("id", "recorded_at", "received_at", "lat", "lon"),
            *("accuracy", "speed", "heading", "battery"),
        )


class CreateFix(generics.CreateAPIView[Fix]):
    queryset = Fix.objects.all()
    serializer_class = FixSerializer

    def perform_create(self, serializer: Any) -> None:
        serializer.save(technician=self.request.user.technician)
