"""All that is stored of one person's positions: taking it along, and having it erased."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import exceptions, serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dispatch.api.parameters import choice_parameter, date_parameter, moment_parameter
from dispatch.api.permissions import require_owner
from dispatch.auth import current_user
from dispatch.models import Technician, User
from tenants.context import current_schema
from tenants.middleware import require_company
from tracking.actions.erasing import erase_positions
from tracking.actions.viewing import record_viewing
from tracking.api.export import FORMATS, exported
from tracking.api.technicians import technician_of_any_time, visible_technician
from tracking.models import Viewing


class ErasureSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    technician_id = serializers.IntegerField()
    until = serializers.DateField(allow_null=True, help_text="null: all")
    totals = serializers.ChoiceField(choices=["kept", "erased"])
    fixes = serializers.IntegerField(help_text="erased so far")
    trips = serializers.IntegerField(help_text="erased so far")
    visits = serializers.IntegerField(help_text="erased so far")
    finished_at = serializers.DateTimeField(allow_null=True)


class _FormatIsOurs(BaseContentNegotiation):
    """DRF would take the parameter `format` for the name of a renderer."""

    def select_renderer(
        self,
        request: Request,
        renderers: Any,
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class ExportView(APIView):
    content_negotiation_class = _FormatIsOurs

    @extend_schema(
        parameters=[
            OpenApiParameter("since", OpenApiTypes.DATETIME, description="first moment"),
            OpenApiParameter("until", OpenApiTypes.DATETIME, description="behind the last moment"),
            OpenApiParameter("format", str, enum=list(FORMATS), description="ndjson unless told"),
        ],
        responses={(200, media_type): OpenApiTypes.STR for media_type in FORMATS.values()},
    )
    def get(self, request: Request, technician: int) -> StreamingHttpResponse:
        """All fixes of a technician and the verdict on each, in the order of the phone's clock.

        For owners, and for technicians of themselves. The answer has no length and no pages; one
        that is cut off by an error ends without its last chunk.
        """
        found = _exportable(request, technician)
        form = choice_parameter(request, "format", list(FORMATS))
        pages = exported(
            current_schema(),
            form=form,
            technician=found.pk,
            since=moment_parameter(request, "since"),
            until=moment_parameter(request, "until"),
        )
        viewer = current_user(request).pk
        record_viewing(viewer=viewer, technicians=[found.pk], what=Viewing.What.EXPORT)
        return StreamingHttpResponse(
            pages,
            content_type=FORMATS[form],
            headers={
                "Content-Disposition": f'attachment; filename="positions-{found.pk}.{form}"',
                "Cache-Control": "no-store",
            },
        )


class PositionsOfOneView(APIView):
    @extend_schema(
        parameters=[
            OpenApiParameter("until", OpenApiTypes.DATE, description="behind the last day"),
            OpenApiParameter("totals", str, enum=["keep", "erase"], description="of the days"),
        ],
        responses={
            200: ErasureSerializer,
            202: OpenApiResponse(ErasureSerializer, description="goes on in the background"),
        },
    )
    def delete(self, request: Request, technician: int) -> Response:
        """Erase a technician's positions, and all that was worked out from them or said of them.

        For owners. The days' totals for reports stay, unless `totals=erase`. Who looked at the
        positions, and who had them erased, stays on record.
        """
        owner = require_owner(request)
        found = technician_of_any_time(technician)
        totals = choice_parameter(request, "totals", ["keep", "erase"])
        erasure = erase_positions(
            technician_id=found.pk,
            erased_by=owner,
            until=date_parameter(request, "until"),
            keep_totals=totals == "keep",
            zone=ZoneInfo(require_company(request).time_zone),
        )
        answer = {
            **{name: getattr(erasure, name) for name in ("id", "technician_id", "until")},
            "totals": "kept" if erasure.keeps_totals else "erased",
            **{name: getattr(erasure, name) for name in ("fixes", "trips", "visits")},
            "finished_at": erasure.finished_at,
        }
        return Response(
            ErasureSerializer(answer).data, status=202 if erasure.finished_at is None else 200
        )


def _exportable(request: Request, number: int) -> Technician:
    user = current_user(request)
    if user.role == User.Role.DISPATCHER:
        raise exceptions.PermissionDenied(
            f"{user.email} is a dispatcher; this is for owners, and for technicians of themselves",
            code="not_an_owner",
        )
    if user.role == User.Role.OWNER:
        return technician_of_any_time(number)
    return visible_technician(request, number)
