"""Jobs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dispatch.auth import current_user
from dispatch.models import Job, Skill
from dispatch.queries import visible_jobs


class JobCustomerSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class JobSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    title = serializers.CharField()
    kind = serializers.ChoiceField(choices=Skill.choices)
    status = serializers.ChoiceField(choices=Job.Status.choices)
    customer = JobCustomerSerializer()
    address = serializers.CharField()
    lat = serializers.FloatField(help_text="degrees, WGS 84")
    lon = serializers.FloatField(help_text="degrees, WGS 84")
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    technician_id = serializers.IntegerField(allow_null=True)
    on_the_way_at = serializers.DateTimeField(allow_null=True, help_text="as the technician said")
    arrived_at = serializers.DateTimeField(allow_null=True)
    done_at = serializers.DateTimeField(allow_null=True)


class JobsView(APIView):
    @extend_schema(responses=inline_serializer("Jobs", {"results": JobSerializer(many=True)}))
    def get(self, request: Request) -> Response:
        """The latest jobs in the order of their windows; a technician sees only their own."""
        rows = visible_jobs(current_user(request)).order_by("-starts_at", "-id")[
            : settings.JOBS_PAGE_SIZE
        ]
        return Response({"results": JobSerializer(list(rows)[::-1], many=True).data})
