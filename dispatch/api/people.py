"""Technicians."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dispatch.auth import current_user
from dispatch.queries import visible_technicians


class TechnicianSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    initials = serializers.CharField()
    color = serializers.CharField(help_text="#rrggbb")
    phone = serializers.CharField(help_text="E.164, or empty")


class TechniciansView(APIView):
    @extend_schema(
        responses=inline_serializer("Technicians", {"results": TechnicianSerializer(many=True)})
    )
    def get(self, request: Request) -> Response:
        """Technicians in service, by name; a technician sees only themselves."""
        rows = visible_technicians(current_user(request))
        return Response({"results": TechnicianSerializer(rows, many=True).data})
