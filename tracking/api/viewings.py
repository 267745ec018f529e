"""Who looked at whom."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dispatch.api.parameters import integer_parameter
from dispatch.auth import current_user
from tracking.api.visits import PersonSerializer
from tracking.models import Viewing
from tracking.queries import visible_viewings


class ViewingSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    technician_id = serializers.IntegerField()
    viewer = PersonSerializer()
    what = serializers.ChoiceField(choices=Viewing.What.choices)
    began_at = serializers.DateTimeField()
    last_at = serializers.DateTimeField()


class ViewingsView(APIView):
    @extend_schema(
        parameters=[
            OpenApiParameter("after", OpenApiTypes.INT, description="`next` of the page before")
        ],
        responses=inline_serializer(
            "Viewings",
            {
                "results": ViewingSerializer(many=True),
                "next": serializers.IntegerField(allow_null=True),
            },
        ),
    )
    def get(self, request: Request) -> Response:
        """Who looked at technicians' positions, the latest to begin first, page by page.

        A technician sees who looked at them, a dispatcher what they looked at, an owner all.
        """
        rows = visible_viewings(current_user(request))
        after = integer_parameter(request, "after", least=1, most=2**63 - 1)
        if after is not None:
            rows = rows.filter(pk__lt=after)
        page = list(rows[: settings.VIEWINGS_PAGE_SIZE + 1])
        more, page = len(page) > settings.VIEWINGS_PAGE_SIZE, page[: settings.VIEWINGS_PAGE_SIZE]
        return Response(
            {
                "results": ViewingSerializer(page, many=True).data,
                "next": page[-1].pk if more else None,
            }
        )
