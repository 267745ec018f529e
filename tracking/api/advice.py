"""The addresses of dispatchers' questions: who is best sent, when they arrive, in which order."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from django.conf import settings
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dispatch.api.parameters import integer_parameter
from dispatch.api.permissions import require_dispatcher
from dispatch.auth import current_user
from dispatch.models import Job, User
from dispatch.queries import visible_jobs, visible_technicians
from tenants.middleware import require_company
from tracking.advice import (
    JobNotOpenError,
    NobodyAssignedError,
    arrival_at,
    best_technicians,
    plan_day,
)
from tracking.api.advice_serializers import (
    ArrivalSerializer,
    PlanSerializer,
    RankingSerializer,
)
from tracking.api.serializers import ERRORS
from tracking.freshness import PositionState
from tracking.ranking import Ranked


class ConflictError(exceptions.APIException):
    status_code = 409
    default_code = "conflict"


class JobTechniciansView(APIView):
    @extend_schema(
        parameters=[OpenApiParameter("limit", OpenApiTypes.INT)],
        responses={200: RankingSerializer, 400: ERRORS},
    )
    def get(self, request: Request, job: int) -> Response:
        """Who is best sent to a job, the best first, with all that counts for and against each.

        Those who cannot be sent come last, and say why. For owners and dispatchers.
        """
        user = require_dispatcher(request)
        most = settings.ADVICE_PAGE_SIZE
        limit = integer_parameter(request, "limit", least=1, most=most)
        now = timezone.now()
        try:
            found = best_technicians(_visible_job(user, job), now=now, zone=_zone(request))
        except JobNotOpenError as error:
            raise ConflictError(str(error), code="job_not_open") from None
        return Response(
            {
                "job_id": job,
                "server_time": now,
                "count": len(found.results),
                "warnings": found.warnings,
                "results": [_ranked(one) for one in found.results[: limit or most]],
            }
        )


class JobArrivalView(APIView):
    @extend_schema(responses=ArrivalSerializer)
    def get(self, request: Request, job: int) -> Response:
        """When the job's technician arrives, as a range; a technician may ask for their own jobs.

        409 where nobody is on the way or will be: `job_not_open`, `job_unassigned`.
        """
        now = timezone.now()
        row = _visible_job(current_user(request), job)
        try:
            found = arrival_at(row, now=now, zone=_zone(request))
        except JobNotOpenError as error:
            raise ConflictError(str(error), code="job_not_open") from None
        except NobodyAssignedError as error:
            raise ConflictError(str(error), code="job_unassigned") from None
        eta = found.eta
        free = now + timedelta(seconds=found.free_in_seconds)
        return Response(
            {
                "job_id": job,
                "server_time": now,
                **msgspec.to_builtins(found),
                "arrives_at": eta and free + timedelta(seconds=eta.seconds),
                "earliest_at": eta and free + timedelta(seconds=eta.low_seconds),
                "latest_at": eta and free + timedelta(seconds=eta.high_seconds),
            }
        )


class TechnicianPlanView(APIView):
    @extend_schema(responses=PlanSerializer)
    def get(self, request: Request, technician: int) -> Response:
        """The best order of what is left of a technician's day, with arrivals and delays.

        A suggestion: nothing is changed. A technician may ask for their own.
        """
        row = visible_technicians(current_user(request)).filter(pk=technician).first()
        if row is None:
            raise exceptions.NotFound(
                f"there is no technician {technician}", code="unknown_technician"
            )
        now = timezone.now()
        found = plan_day(row, now=now, zone=_zone(request))
        return Response(
            {
                "technician_id": technician,
                "server_time": now,
                "provider": found.provider,
                "warnings": found.warnings,
                "results": msgspec.to_builtins(found.stops),
                "unplanned_job_ids": found.unplanned,
            }
        )


def _visible_job(user: User, number: int) -> Job:
    job = visible_jobs(user).filter(pk=number).first()
    if job is None:
        raise exceptions.NotFound(f"there is no job {number}", code="unknown_job")
    return job


def _zone(request: Request) -> ZoneInfo:
    return ZoneInfo(require_company(request).time_zone)


def _ranked(one: Ranked) -> dict[str, Any]:
    candidate = one.option.candidate
    seen = candidate.seen
    return {
        "technician": {"id": candidate.id, "name": candidate.name},
        "rank": one.rank,
        "score_seconds": one.score,
        "factors": msgspec.to_builtins(one.factors),
        "blocks": one.blocks,
        "position_state": seen.sighting.state if seen else PositionState.NONE,
        "free_in_seconds": one.option.free_in_seconds,
        "eta": msgspec.to_builtins(one.option.eta),
        "arrives_at": one.arrives_at,
    }
