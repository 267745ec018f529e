"""Visits to a job's site: what the fixes say, what people say, and what counts."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dispatch.api.bodies import MomentField, validated
from dispatch.api.progress import visible_job
from dispatch.auth import current_user
from dispatch.errors import BadInputError, FieldError
from dispatch.models import User
from tracking.actions.stating import state_visit
from tracking.api.serializers import ERRORS
from tracking.queries import visits_of

SOURCES = ["fixes", "technician"]


class PersonSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    role = serializers.ChoiceField(choices=User.Role.choices)


class VisitSerializer(serializers.Serializer[Any]):
    technician_id = serializers.IntegerField()
    arrived_at = serializers.DateTimeField()
    left_at = serializers.DateTimeField(allow_null=True)
    crossing = serializers.BooleanField(help_text="only drove through")


class SaidSerializer(serializers.Serializer[Any]):
    arrived_at = MomentField(allow_null=True, help_text="null: was not there")
    left_at = MomentField(required=False, allow_null=True, default=None)


class StatementSerializer(serializers.Serializer[Any]):
    technician_id = serializers.IntegerField()
    arrived_at = serializers.DateTimeField(allow_null=True, help_text="null: was not there")
    left_at = serializers.DateTimeField(allow_null=True, help_text="null: not said")
    stated_by = PersonSerializer()
    stated_at = serializers.DateTimeField()


class CorrectionSerializer(serializers.Serializer[Any]):
    technician_id = serializers.IntegerField()
    cause = serializers.CharField()
    before = serializers.JSONField(help_text="[[arrived_at, left_at], …]")
    after = serializers.JSONField()
    corrected_at = serializers.DateTimeField()


class EffectiveSerializer(serializers.Serializer[Any]):
    arrived_at = serializers.DateTimeField(allow_null=True)
    arrived_source = serializers.ChoiceField(choices=SOURCES, allow_null=True)
    left_at = serializers.DateTimeField(allow_null=True)
    left_source = serializers.ChoiceField(choices=SOURCES, allow_null=True)


class JourneySerializer(serializers.Serializer[Any]):
    distance = serializers.FloatField(help_text="metres")
    seconds = serializers.FloatField(help_text="under way")
    trips = serializers.IntegerField()


class ProposalSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=["arrived"])
    at = serializers.DateTimeField()


class JobVisitsSerializer(serializers.Serializer[Any]):
    visits = VisitSerializer(many=True)
    statements = StatementSerializer(many=True)
    corrections = CorrectionSerializer(many=True)
    effective = EffectiveSerializer()
    journey = JourneySerializer(help_text="the trips to the site, from the job before")
    on_site_seconds = serializers.FloatField(allow_null=True)
    proposal = ProposalSerializer(allow_null=True)


class JobVisitsView(APIView):
    @extend_schema(responses=JobVisitsSerializer)
    def get(self, request: Request, job: int) -> Response:
        """What is known of the visits to a job's site, and what of it counts.

        `effective` is of the job's present technician. `proposal` is what the fixes make likely
        and nobody has told yet; posting its `at` to the job's `arrived/` confirms it.
        """
        return Response(JobVisitsSerializer(visits_of(visible_job(request, job))).data)

    @extend_schema(request=SaidSerializer, responses={201: StatementSerializer, 400: ERRORS})
    def post(self, request: Request, job: int) -> Response:
        """Say when the job's technician was there, or was not; for this one and the office."""
        found = visible_job(request, job)
        if found.technician is None:
            raise BadInputError(
                FieldError("technician", None, f"must be somebody: job {job} is {found.status}"),
                status=409,
            )
        given = validated(SaidSerializer, request)
        statement = state_visit(
            job=found,
            technician=found.technician,
            arrived_at=given["arrived_at"],
            left_at=given["left_at"],
            stated_by=current_user(request),
        )
        return Response(StatementSerializer(statement).data, status=201)
