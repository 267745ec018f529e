"""Tokens for phones, and who am I."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import exceptions, serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dispatch.actions.sign_in import renew_phone, revoke_phone, sign_in_phone
from dispatch.api.authentication import TokenRejected
from dispatch.api.bodies import validated
from dispatch.api.people import TechnicianSerializer
from dispatch.attempts import TooManyAttemptsError, count_attempt, forget_attempts
from dispatch.auth import current_user
from dispatch.models import User
from dispatch.queries import technician_of
from dispatch.tokens import TokenError
from tenants.middleware import require_company


class CredentialsSerializer(serializers.Serializer[Any]):
    email = serializers.EmailField(max_length=254)
    password = serializers.CharField(max_length=256, trim_whitespace=False, write_only=True)


class RefreshSerializer(serializers.Serializer[Any]):
    refresh = serializers.CharField(max_length=2000)


class TokenPairSerializer(serializers.Serializer[Any]):
    access = serializers.CharField()
    refresh = serializers.CharField()


class CompanySerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    schema = serializers.CharField()
    time_zone = serializers.CharField()


class MeSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    email = serializers.EmailField()
    name = serializers.CharField()
    role = serializers.ChoiceField(choices=User.Role.choices)
    technician = TechnicianSerializer(allow_null=True)
    company = CompanySerializer()


class TooManyAttempts(exceptions.APIException):
    """A 429 with Retry-After, which DRF takes from `wait`."""

    status_code = 429
    default_code = "too_many_attempts"

    @property
    def wait(self) -> int:
        return settings.SIGN_IN_WINDOW_SECONDS


class _Unauthenticated(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get_authenticate_header(self, request: Request) -> str:
        return "Bearer"  # without one, DRF would turn a 401 into a 403


class TokenView(_Unauthenticated):
    @extend_schema(request=CredentialsSerializer, responses=TokenPairSerializer)
    def post(self, request: Request) -> Response:
        """Sign a phone in with an e-mail address and a password."""
        given = validated(CredentialsSerializer, request)
        address = request.META.get("REMOTE_ADDR", "")
        try:
            count_attempt(email=given["email"], address=address)
        except TooManyAttemptsError as error:
            raise TooManyAttempts(str(error)) from None
        user = authenticate(request, username=given["email"], password=given["password"])
        if not isinstance(user, User):
            raise exceptions.NotAuthenticated(
                "this e-mail address and password do not belong together here",
                code="wrong_credentials",
            )
        forget_attempts(email=given["email"], address=address)
        pair = sign_in_phone(user=user, company=require_company(request))
        return Response({"access": pair.access, "refresh": pair.refresh})


class TokenRefreshView(_Unauthenticated):
    @extend_schema(request=RefreshSerializer, responses=TokenPairSerializer)
    def post(self, request: Request) -> Response:
        """Trade a refresh token for a new pair; each is good for one use."""
        given = validated(RefreshSerializer, request)
        try:
            pair = renew_phone(refresh=given["refresh"], company=require_company(request))
        except TokenError as error:
            raise TokenRejected(error) from None
        return Response({"access": pair.access, "refresh": pair.refresh})


class TokenRevokeView(_Unauthenticated):
    @extend_schema(
        request=RefreshSerializer, responses={204: OpenApiResponse(description="signed out")}
    )
    def post(self, request: Request) -> Response:
        """Sign the phone out."""
        given = validated(RefreshSerializer, request)
        try:
            revoke_phone(refresh=given["refresh"], company=require_company(request))
        except TokenError as error:
            raise TokenRejected(error) from None
        return Response(status=204)


class MeView(APIView):
    @extend_schema(responses=MeSerializer)
    def get(self, request: Request) -> Response:
        """The user who is speaking, and their company."""
        user = current_user(request)
        me = {
            "id": user.pk,
            "email": user.email,
            "name": user.name,
            "role": user.role,
            "technician": technician_of(user),
            "company": require_company(request),
        }
        return Response(MeSerializer(me).data)
