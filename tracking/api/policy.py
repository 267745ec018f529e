"""How the company tracks: read by the office, changed by owners."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dispatch.api.permissions import require_dispatcher, require_owner
from dispatch.errors import BadInputError, FieldError, echo
from tracking.actions.policy import FIELDS, change_policy
from tracking.api.serializers import ERRORS
from tracking.models import Policy
from tracking.queries import policy


class PolicySerializer(serializers.ModelSerializer[Policy]):
    """For answers and the OpenAPI document; `change_policy` does the checking."""

    class Meta:
        model = Policy
        fields = FIELDS


class PolicyView(APIView):
    @extend_schema(responses=PolicySerializer)
    def get(self, request: Request) -> Response:
        """How the company tracks; for owners and dispatchers."""
        require_dispatcher(request)
        return Response(PolicySerializer(policy()).data)

    @extend_schema(request=PolicySerializer, responses={200: PolicySerializer, 400: ERRORS})
    def put(self, request: Request) -> Response:
        """Say all of how the company tracks; for owners. No field may be left out."""
        user = require_owner(request)
        changes = _object(request)
        missing = [FieldError(name, None, "is required") for name in FIELDS if name not in changes]
        if missing:
            raise BadInputError(*missing)
        return Response(PolicySerializer(change_policy(changes=changes, by=user)).data)

    @extend_schema(request=PolicySerializer, responses={200: PolicySerializer, 400: ERRORS})
    def patch(self, request: Request) -> Response:
        """Change some of how the company tracks; for owners."""
        user = require_owner(request)
        changed = change_policy(changes=_object(request), by=user)
        return Response(PolicySerializer(changed).data)


def _object(request: Request) -> dict[str, Any]:
    if not isinstance(request.data, dict):
        raise BadInputError(
            FieldError("body", echo(request.data), "must be an object of the policy's fields")
        )
    return request.data
