"""The forms of answers to dispatchers' questions, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from tracking.eta import Confidence
from tracking.freshness import PositionState

_WARNINGS = (
    "why not to trust it: routing_unavailable, routing_busy, routing_refused, no_route, "
    "not_routed, stale_position, lost_position, poor_accuracy"
)
_STATES = [state.value for state in PositionState]


class EstimateSerializer(serializers.Serializer[Any]):
    """Describes `tracking.eta.Estimate`."""

    seconds = serializers.IntegerField(help_text="expected")
    low_seconds = serializers.IntegerField(help_text="hardly sooner")
    high_seconds = serializers.IntegerField(help_text="hardly later")
    meters = serializers.IntegerField()
    provider = serializers.ChoiceField(
        choices=["osrm", "valhalla", "estimate"], help_text="`estimate`: by air, not by road"
    )
    confidence = serializers.ChoiceField(choices=[level.value for level in Confidence])
    warnings = serializers.ListField(child=serializers.CharField(), help_text=_WARNINGS)
    position_age_seconds = serializers.IntegerField()


class FactorSerializer(serializers.Serializer[Any]):
    name = serializers.ChoiceField(
        choices=["skill", "position", "shift", "travel", "current_job", "late", "next_job_late"]
    )
    seconds = serializers.IntegerField(help_text="what it adds to the score")
    measure = serializers.IntegerField(allow_null=True, help_text="seconds that it is made from")
    blocks = serializers.CharField(allow_null=True, help_text="why this technician cannot be sent")


class NamedTechnicianSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class RankedTechnicianSerializer(serializers.Serializer[Any]):
    technician = NamedTechnicianSerializer()
    rank = serializers.IntegerField(allow_null=True, help_text="from 1; null: cannot be sent")
    score_seconds = serializers.IntegerField(
        allow_null=True, help_text="the sum of the factors, least is best; null: no position"
    )
    factors = FactorSerializer(many=True)
    blocks = serializers.ListField(child=serializers.CharField())
    position_state = serializers.ChoiceField(choices=_STATES)
    free_in_seconds = serializers.IntegerField(help_text="then the drive of `eta` begins")
    eta = EstimateSerializer(allow_null=True)
    arrives_at = serializers.DateTimeField(allow_null=True)


class RankingSerializer(serializers.Serializer[Any]):
    job_id = serializers.IntegerField()
    server_time = serializers.DateTimeField()
    count = serializers.IntegerField(help_text="technicians who were compared")
    warnings = serializers.ListField(child=serializers.CharField(), help_text="of all drives")
    results = RankedTechnicianSerializer(many=True)


class ArrivalSerializer(serializers.Serializer[Any]):
    job_id = serializers.IntegerField()
    technician_id = serializers.IntegerField()
    server_time = serializers.DateTimeField()
    position_state = serializers.ChoiceField(choices=_STATES)
    free_in_seconds = serializers.IntegerField(help_text="then the drive of `eta` begins")
    eta = EstimateSerializer(allow_null=True, help_text="null: no position")
    arrives_at = serializers.DateTimeField(allow_null=True, help_text="expected")
    earliest_at = serializers.DateTimeField(allow_null=True)
    latest_at = serializers.DateTimeField(allow_null=True)


class PlannedJobSerializer(serializers.Serializer[Any]):
    job_id = serializers.IntegerField()
    drive_seconds = serializers.IntegerField(help_text="from the place before")
    arrives_at = serializers.DateTimeField()
    begins_at = serializers.DateTimeField(help_text="not before the promised window")
    leaves_at = serializers.DateTimeField()
    late_seconds = serializers.IntegerField(help_text="beyond the promised window")


class PlanSerializer(serializers.Serializer[Any]):
    technician_id = serializers.IntegerField()
    server_time = serializers.DateTimeField()
    provider = serializers.ChoiceField(choices=["osrm", "valhalla", "estimate"], allow_null=True)
    warnings = serializers.ListField(child=serializers.CharField())
    results = PlannedJobSerializer(many=True, help_text="in the suggested order")
    unplanned_job_ids = serializers.ListField(
        child=serializers.IntegerField(), help_text="for which the technician lacks the skill"
    )
