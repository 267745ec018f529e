"""Shifts: the office plans them, technicians clock in and out."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import Q
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

from dispatch.actions.shifts import begin_shift, change_shift, delete_shift, end_shift, plan_shift
from dispatch.api.bodies import MomentField, validated
from dispatch.api.paging import read_place, write_place
from dispatch.api.parameters import integer_parameter, moment_parameter
from dispatch.api.permissions import require_dispatcher, require_technician
from dispatch.auth import current_user
from dispatch.errors import BadInputError, FieldError, echo
from dispatch.models import Shift
from dispatch.queries import active_technicians, visible_shifts


class ShiftSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    technician_id = serializers.IntegerField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()


class PlanSerializer(serializers.Serializer[Any]):
    technician = serializers.IntegerField(help_text="a technician's id")
    starts_at = MomentField()
    ends_at = MomentField()


class ShiftChangeSerializer(serializers.Serializer[Any]):
    starts_at = MomentField(required=False)
    ends_at = MomentField(required=False)


class ShiftsView(APIView):
    @extend_schema(
        parameters=[
            OpenApiParameter("technician", OpenApiTypes.INT),
            OpenApiParameter("since", OpenApiTypes.DATETIME, description="those that end later"),
            OpenApiParameter("until", OpenApiTypes.DATETIME, description="those that begin before"),
            OpenApiParameter("after", str, description="`next` of the page before"),
        ],
        responses=inline_serializer(
            "Shifts",
            {
                "results": ShiftSerializer(many=True),
                "next": serializers.CharField(allow_null=True),
            },
        ),
    )
    def get(self, request: Request) -> Response:
        """Shifts in the order of their beginnings, page by page; a technician sees their own."""
        rows = visible_shifts(
            current_user(request),
            technician=integer_parameter(request, "technician", least=1, most=2**63 - 1),
            since=moment_parameter(request, "since"),
            until=moment_parameter(request, "until"),
        )
        after = read_place(request, int)
        if after is not None:
            starts_at, row = after
            rows = rows.filter(Q(starts_at__gt=starts_at) | Q(starts_at=starts_at, id__gt=row))
        page = list(rows[: settings.SHIFTS_PAGE_SIZE + 1])
        more, page = len(page) > settings.SHIFTS_PAGE_SIZE, page[: settings.SHIFTS_PAGE_SIZE]
        return Response(
            {
                "results": ShiftSerializer(page, many=True).data,
                "next": write_place(page[-1].starts_at, page[-1].pk) if more else None,
            }
        )

    @extend_schema(request=PlanSerializer, responses={201: ShiftSerializer})
    def post(self, request: Request) -> Response:
        """Plan a shift; for owners and dispatchers. One that overlaps another is a 409."""
        require_dispatcher(request)
        given = validated(PlanSerializer, request)
        technician = active_technicians().filter(pk=given["technician"]).first()
        if technician is None:
            raise BadInputError(
                FieldError(
                    "technician",
                    echo(given["technician"]),
                    "must be the id of a technician in service",
                )
            )
        shift = plan_shift(
            technician=technician, starts_at=given["starts_at"], ends_at=given["ends_at"]
        )
        return Response(ShiftSerializer(shift).data, status=201)


class ShiftView(APIView):
    @extend_schema(request=ShiftChangeSerializer, responses=ShiftSerializer)
    def patch(self, request: Request, shift: int) -> Response:
        """Move a shift's beginning or end; for owners and dispatchers."""
        require_dispatcher(request)
        given = validated(ShiftChangeSerializer, request)
        try:
            changed = change_shift(shift=_shift(shift), **given)
        except Shift.DoesNotExist:
            raise _unknown(shift) from None
        return Response(ShiftSerializer(changed).data)

    @extend_schema(responses={204: OpenApiResponse(description="deleted")})
    def delete(self, request: Request, shift: int) -> Response:
        """Delete a shift; for owners and dispatchers."""
        require_dispatcher(request)
        delete_shift(shift=_shift(shift))
        return Response(status=204)


class BeginShiftView(APIView):
    @extend_schema(request=None, responses={201: ShiftSerializer})
    def post(self, request: Request) -> Response:
        """Clock in: a shift of the token's technician begins now. On shift already, it is a 409."""
        shift = begin_shift(technician=require_technician(request))
        return Response(ShiftSerializer(shift).data, status=201)


class EndShiftView(APIView):
    @extend_schema(request=None, responses=ShiftSerializer)
    def post(self, request: Request) -> Response:
        """Clock out: the running shift of the token's technician ends now. Without one: 409."""
        return Response(ShiftSerializer(end_shift(technician=require_technician(request))).data)


def _shift(number: int) -> Shift:
    shift = Shift.objects.filter(pk=number).first()
    if shift is None:
        raise _unknown(number)
    return shift


def _unknown(number: int) -> exceptions.NotFound:
    return exceptions.NotFound(f"there is no shift {number}", code="unknown_shift")
