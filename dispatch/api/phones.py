"""Technicians' phones: those that are signed in, and keys for apps that cannot sign in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    inline_serializer,
)
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dispatch.actions.phones import end_phone, issue_key
from dispatch.api.parameters import integer_parameter
from dispatch.auth import current_user
from dispatch.errors import BadInputError, FieldError
from dispatch.models import PhoneSession, Technician, User
from dispatch.queries import open_phones, visible_technicians

MOST = 2**63 - 1


class PhoneSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    kind = serializers.SerializerMethodField()
    label = serializers.CharField()  # type: ignore[assignment]
    technician_id = serializers.IntegerField(source="user.technician.pk")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()

    def get_kind(self, phone: PhoneSession) -> str:
        return "key" if phone.key_digest else "signed in"


class NewPhoneSerializer(serializers.Serializer[Any]):
    label = serializers.CharField(  # type: ignore[assignment]
        max_length=80, help_text="what its user calls it"
    )
    technician = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=MOST,
        help_text="whose phone it is; a technician's own where absent",
    )


class IssuedKeySerializer(PhoneSerializer):
    key = serializers.CharField(help_text="shown here and never again")


class PhonesView(APIView):
    @extend_schema(
        parameters=[OpenApiParameter("technician", OpenApiTypes.INT)],
        responses=inline_serializer("Phones", {"results": PhoneSerializer(many=True)}),
    )
    def get(self, request: Request) -> Response:
        """Phones in use, the newest first; a technician sees only their own."""
        technicians = visible_technicians(current_user(request))
        number = integer_parameter(request, "technician", least=1, most=MOST)
        if number is not None:
            technicians = technicians.filter(pk=number)
        phones = open_phones(technicians)[: settings.PHONES_PAGE_SIZE]
        return Response({"results": PhoneSerializer(phones, many=True).data})

    @extend_schema(request=NewPhoneSerializer, responses={201: IssuedKeySerializer})
    def post(self, request: Request) -> Response:
        """A key for an app that sends positions in a format of its own.

        The key is told once. It opens the doors under `/ingest/` and nothing else.
        """
        given = NewPhoneSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        technician = _technician(current_user(request), given.validated_data.get("technician"))
        session, key = issue_key(technician=technician, label=given.validated_data["label"])
        content = {**PhoneSerializer(session).data, "key": key}
        return Response(content, status=201, headers={"Cache-Control": "no-store"})


class PhoneView(APIView):
    @extend_schema(
        operation_id="phones_end",
        responses={204: OpenApiResponse(description="its next upload is refused")},
    )
    def delete(self, request: Request, phone: UUID) -> Response:
        """Revoke a phone's key, or sign it out."""
        visible = open_phones(visible_technicians(current_user(request)))
        if not visible.filter(pk=phone).exists() or not end_phone(session=phone):
            raise exceptions.NotFound(f"there is no phone {phone}", code="unknown_phone")
        return Response(status=204)


def _technician(user: User, number: int | None) -> Technician:
    technicians = visible_technicians(user)
    if number is None and user.may_dispatch:
        raise BadInputError(FieldError("technician", None, "is required: a technician's id"))
    technician = technicians.filter(**({} if number is None else {"pk": number})).first()
    if technician is None:
        raise exceptions.NotFound(
            f"there is no technician {number}" if number else f"{user.email} is no technician",
            code="unknown_technician",
        )
    return technician
