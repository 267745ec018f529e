"""The addresses of positions: what each takes and answers."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    PolymorphicProxySerializer,
    extend_schema,
    inline_serializer,
)
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dispatch.auth import current_user
from tracking.actions.viewing import record_viewing
from tracking.api.history import read_history
from tracking.api.ingest import post_fixes
from tracking.api.serializers import (
    ERRORS,
    BatchResultSerializer,
    FixResultSerializer,
    FixSerializer,
    PositionSerializer,
    StoredFixSerializer,
)
from tracking.models import Viewing
from tracking.queries import visible_positions


class FixesView(APIView):
    @extend_schema(
        request=PolymorphicProxySerializer(
            component_name="FixOrFixes",
            serializers=[FixSerializer, FixSerializer(many=True)],
            resource_type_field_name=None,
            many=False,
        ),
        responses={
            200: PolymorphicProxySerializer(
                component_name="FixOrFixesResult",
                serializers=[FixResultSerializer, BatchResultSerializer],
                resource_type_field_name=None,
                many=False,
            ),
            201: FixResultSerializer,
            400: ERRORS,
            413: ERRORS,
        },
    )
    def post(self, request: Request) -> Response:
        """Post the token's technician's fixes: one object, or an array.

        An array is answered item by item with 200; a wrong item never blocks the others. A 2xx
        comes only after what is reported as stored has been committed.
        """
        return post_fixes(request)

    @extend_schema(
        parameters=[
            OpenApiParameter("technician", OpenApiTypes.INT, required=True),
            OpenApiParameter("since", OpenApiTypes.DATETIME, description="first moment"),
            OpenApiParameter("until", OpenApiTypes.DATETIME, description="behind the last moment"),
            OpenApiParameter("after", str, description="`next` of the page before"),
            OpenApiParameter("limit", OpenApiTypes.INT),
        ],
        responses=inline_serializer(
            "FixPage",
            {
                "results": StoredFixSerializer(many=True),
                "next": serializers.CharField(allow_null=True),
            },
        ),
    )
    def get(self, request: Request) -> Response:
        """One technician's history in the order of the phone's clock, page by page."""
        return read_history(request)


class PositionsView(APIView):
    @extend_schema(
        responses=inline_serializer(
            "Positions",
            {
                "server_time": serializers.DateTimeField(),
                "results": PositionSerializer(many=True),
            },
        )
    )
    def get(self, request: Request) -> Response:
        """Where everybody is now; a technician sees only themselves. It is told who looked."""
        user, now = current_user(request), timezone.now()
        positions = visible_positions(user, now=now)
        record_viewing(
            viewer=user.pk,
            technicians=[position.technician_id for position in positions],
            what=Viewing.What.LIVE,
        )
        return Response(
            {
                "server_time": now,
                "results": PositionSerializer(positions, many=True).data,
            }
        )
