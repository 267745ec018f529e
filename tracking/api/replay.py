"""A technician's day, to be played again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dispatch.api.parameters import integer_parameter, moment_parameter
from dispatch.auth import current_user
from dispatch.errors import BadInputError, FieldError
from tracking.actions.viewing import record_viewing
from tracking.api.technicians import visible_technician
from tracking.api.trips import TripSerializer
from tracking.models import Viewing
from tracking.queries.replays import replay_of

DEFAULT_TOLERANCE = 5
MOST_TOLERANCE = 1_000


class ReplayVisitSerializer(serializers.Serializer[Any]):
    job_id = serializers.IntegerField()
    arrived_at = serializers.DateTimeField()
    left_at = serializers.DateTimeField(allow_null=True)
    crossing = serializers.BooleanField(help_text="only drove through")


class ReplaySerializer(serializers.Serializer[Any]):
    coordinates = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField(), min_length=2, max_length=2),
        help_text="[longitude, latitude]; goes on beyond ±180 where it crosses the meridian",
    )
    times = serializers.ListField(
        child=serializers.DateTimeField(), help_text="of each point of `coordinates`"
    )
    fixes = serializers.IntegerField(help_text="good ones, of which some make the line")
    flagged = serializers.IntegerField(help_text="others, which count for nothing")
    trips = TripSerializer(many=True)
    visits = ReplayVisitSerializer(many=True)


class ReplayView(APIView):
    @extend_schema(
        parameters=[
            OpenApiParameter("since", OpenApiTypes.DATETIME, required=True),
            OpenApiParameter("until", OpenApiTypes.DATETIME, required=True),
            OpenApiParameter(
                "tolerance", OpenApiTypes.INT, description="metres that the line may be off"
            ),
        ],
        responses=ReplaySerializer,
    )
    def get(self, request: Request, technician: int) -> Response:
        """A technician's way over some hours, simplified for drawing, with trips and visits."""
        found = visible_technician(request, technician)
        since, until = _moment(request, "since"), _moment(request, "until")
        most = timedelta(hours=settings.REPLAY_MAX_HOURS)
        if not since < until <= since + most:
            raise BadInputError(
                FieldError(
                    "until",
                    until.isoformat(),
                    f"must be after since, and at most {settings.REPLAY_MAX_HOURS} hours",
                )
            )
        tolerance = integer_parameter(request, "tolerance", least=0, most=MOST_TOLERANCE)
        record_viewing(
            viewer=current_user(request).pk, technicians=[found.pk], what=Viewing.What.HISTORY
        )
        replay = replay_of(
            technician=found.pk,
            since=since,
            until=until,
            tolerance=DEFAULT_TOLERANCE if tolerance is None else tolerance,
        )
        return Response(ReplaySerializer(replay).data)


def _moment(request: Request, name: str) -> datetime:
    """Raises BadInputError."""
    moment = moment_parameter(request, name)
    if moment is None:
        raise BadInputError(FieldError(name, None, "is required: a time with its offset"))
    return moment
