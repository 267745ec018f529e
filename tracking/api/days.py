"""What a technician's days sum up to."""

from __future__ import annotations

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dispatch.api.parameters import date_parameter
from dispatch.errors import BadInputError, FieldError
from tenants.middleware import require_company
from tracking.api.technicians import visible_technician
from tracking.queries.days import day_figures


class DaySerializer(serializers.Serializer[Any]):
    day = serializers.DateField()
    distance = serializers.FloatField(help_text="metres")
    travel_seconds = serializers.FloatField()
    on_site_seconds = serializers.FloatField()
    trips = serializers.IntegerField(help_text="that started on this day")
    visits = serializers.IntegerField(help_text="that began on this day")
    fixes = serializers.IntegerField(help_text="all of them")
    flagged = serializers.IntegerField(help_text="those of them that count for nothing")
    frozen = serializers.BooleanField(help_text="the day's positions may be deleted already")


class DaysView(APIView):
    @extend_schema(
        parameters=[
            OpenApiParameter("since", OpenApiTypes.DATE, required=True, description="first day"),
            OpenApiParameter(
                "until", OpenApiTypes.DATE, required=True, description="behind the last day"
            ),
        ],
        responses=inline_serializer(
            "Days",
            {"time_zone": serializers.CharField(), "results": DaySerializer(many=True)},
        ),
    )
    def get(self, request: Request, technician: int) -> Response:
        """One technician's days in the company's time zone, also those without anything.

        What went on past midnight belongs to the day on which it began.
        """
        found = visible_technician(request, technician)
        since, until = _required(request, "since"), _required(request, "until")
        most = settings.DAYS_MAX
        if not 0 < (until - since).days <= most:
            message = f"must be 1 to {most} days after since"
            raise BadInputError(FieldError("until", until.isoformat(), message))
        zone = require_company(request).time_zone
        figures = day_figures(technician=found.pk, since=since, until=until, zone=ZoneInfo(zone))
        return Response({"time_zone": zone, "results": DaySerializer(figures, many=True).data})


def _required(request: Request, name: str) -> date:
    day = date_parameter(request, name)
    if day is None:
        raise BadInputError(FieldError(name, None, "is required: a day, such as 2026-11-22"))
    return day
