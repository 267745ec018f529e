"""Trips, page by page."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dispatch.api.parameters import integer_parameter, moment_parameter
from dispatch.auth import current_user
from tracking.actions.viewing import record_viewing
from tracking.api.technicians import required_technician
from tracking.models import Viewing
from tracking.queries.trips import trips_of


class TripSerializer(serializers.Serializer[Any]):
    technician_id = serializers.IntegerField()
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField()
    start_lat = serializers.FloatField()
    start_lon = serializers.FloatField()
    end_lat = serializers.FloatField()
    end_lon = serializers.FloatField()
    distance = serializers.FloatField(help_text="metres")
    fixes = serializers.IntegerField()


class TripsView(APIView):
    @extend_schema(
        parameters=[
            OpenApiParameter("technician", OpenApiTypes.INT, required=True),
            OpenApiParameter("since", OpenApiTypes.DATETIME, description="first moment"),
            OpenApiParameter("until", OpenApiTypes.DATETIME, description="behind the last moment"),
            OpenApiParameter(
                "after", OpenApiTypes.DATETIME, description="`next` of the page before"
            ),
            OpenApiParameter("limit", OpenApiTypes.INT),
        ],
        responses=inline_serializer(
            "TripPage",
            {
                "results": TripSerializer(many=True),
                "next": serializers.DateTimeField(allow_null=True),
            },
        ),
    )
    def get(self, request: Request) -> Response:
        """One technician's trips that started within a time, in order, page by page.

        They begin and end at places, so it is told who looked.
        """
        technician = required_technician(request)
        limit = integer_parameter(request, "limit", least=1, most=settings.TRIPS_PAGE_SIZE)
        limit = settings.TRIPS_PAGE_SIZE if limit is None else limit
        rows = trips_of(
            technician=technician.pk,
            since=moment_parameter(request, "since"),
            until=moment_parameter(request, "until"),
            after=moment_parameter(request, "after"),
        )
        page = TripSerializer(rows[: limit + 1], many=True).data
        record_viewing(
            viewer=current_user(request).pk, technicians=[technician.pk], what=Viewing.What.HISTORY
        )
        more, page = len(page) > limit, page[:limit]
        return Response({"results": page, "next": page[-1]["started_at"] if more else None})
