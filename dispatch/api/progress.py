"""A technician's progress on a job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dispatch.actions.progress import arrive, finish, set_on_the_way
from dispatch.api.bodies import MomentField, validated
from dispatch.api.work import JobSerializer
from dispatch.auth import current_user
from dispatch.models import Job
from dispatch.queries import visible_jobs


class MomentSerializer(serializers.Serializer[Any]):
    at = MomentField(required=False, allow_null=True, help_text="absent: now")


class _ProgressView(APIView):
    act: ClassVar[Callable[..., Job]]

    @extend_schema(request=MomentSerializer, responses=JobSerializer)
    def post(self, request: Request, job: int) -> Response:
        found = visible_job(request, job)
        at = validated(MomentSerializer, request).get("at")
        try:
            changed = type(self).act(job=found, at=at)
        except Job.DoesNotExist:
            raise _unknown(job) from None
        changed.customer = found.customer
        return Response(JobSerializer(changed).data)


class OnTheWayView(_ProgressView):
    """The job's technician drives there. For this one and the office; 409 if it cannot be."""

    act = staticmethod(set_on_the_way)


class ArrivedView(_ProgressView):
    """The job's technician is there, or confirms when. For this one and the office."""

    act = staticmethod(arrive)


class DoneView(_ProgressView):
    """The job is done. For its technician and the office; 409 if it cannot be."""

    act = staticmethod(finish)


def visible_job(request: Request, number: int) -> Job:
    """A job that the user may see.

    Raises:
        NotFound: there is none of this id, or it is another technician's.
    """
    job = visible_jobs(current_user(request)).filter(pk=number).first()
    if job is None:
        raise _unknown(number)
    return job


def _unknown(number: int) -> exceptions.NotFound:
    return exceptions.NotFound(f"there is no job {number}", code="unknown_job")
