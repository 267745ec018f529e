"""The forms of positions on the wire, for answers and for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from tracking.freshness import PositionState
from tracking.models import Reason


class FieldErrorSerializer(serializers.Serializer[Any]):
    field = serializers.CharField()
    value = serializers.JSONField(allow_null=True)
    message = serializers.CharField()


class FixSerializer(serializers.Serializer[Any]):
    """Describes `tracking.fixes.FixForm`, which does the checking, in the OpenAPI document."""

    id = serializers.UUIDField(help_text="the phone's own; sending it again changes nothing")
    recorded_at = serializers.DateTimeField(help_text="the phone's clock, with an offset")
    lat = serializers.FloatField(min_value=-90, max_value=90)
    lon = serializers.FloatField(min_value=-180, max_value=180)
    accuracy = serializers.FloatField(required=False, allow_null=True, help_text="metres")
    speed = serializers.FloatField(required=False, allow_null=True, help_text="m/s")
    heading = serializers.FloatField(
        required=False, allow_null=True, help_text="degrees clockwise from north"
    )
    altitude = serializers.FloatField(required=False, allow_null=True, help_text="metres")
    battery = serializers.FloatField(required=False, allow_null=True, help_text="0..1")
    charging = serializers.BooleanField(required=False, allow_null=True)
    activity = serializers.CharField(required=False, allow_null=True, max_length=40)
    mock = serializers.BooleanField(required=False, allow_null=True)


class StoredFixSerializer(FixSerializer):
    received_at = serializers.DateTimeField(help_text="the server's clock")
    reason = serializers.ChoiceField(
        choices=Reason.choices,
        allow_null=True,
        help_text="why it counts for nothing; null: it counts",
    )


class ProfileSerializer(serializers.Serializer[Any]):
    """How the phone should track from now on."""

    mode = serializers.ChoiceField(choices=["off", "coarse", "fine"])
    distance_filter = serializers.FloatField(required=False, help_text="metres between fixes")
    interval = serializers.FloatField(required=False, help_text="seconds between fixes")
    upload_interval = serializers.FloatField(required=False, help_text="seconds between uploads")


class FixResultSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=["stored", "duplicate", "refused"])
    reason = serializers.CharField(
        required=False, help_text="why a stored fix counts for nothing, or why it was refused"
    )
    profile = ProfileSerializer()


class BatchItemSerializer(serializers.Serializer[Any]):
    index = serializers.IntegerField(help_text="place in the array, from 0")
    id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=["stored", "duplicate", "refused", "rejected"])
    reason = serializers.CharField(required=False)
    errors = FieldErrorSerializer(many=True, required=False)  # type: ignore[assignment]


class BatchResultSerializer(serializers.Serializer[Any]):
    results = BatchItemSerializer(many=True)
    stored = serializers.IntegerField()
    duplicate = serializers.IntegerField()
    refused = serializers.IntegerField()
    rejected = serializers.IntegerField()
    profile = ProfileSerializer()


class PositionSerializer(serializers.Serializer[Any]):
    technician_id = serializers.IntegerField()
    lat = serializers.FloatField()
    lon = serializers.FloatField()
    accuracy = serializers.FloatField(allow_null=True)
    speed = serializers.FloatField(allow_null=True)
    heading = serializers.FloatField(allow_null=True)
    battery = serializers.FloatField(allow_null=True)
    recorded_at = serializers.DateTimeField()
    received_at = serializers.DateTimeField()
    age_seconds = serializers.IntegerField(help_text="since recorded_at, by the server's clock")
    state = serializers.ChoiceField(
        choices=[state.value for state in PositionState], help_text="by the company's policy"
    )


ERRORS = inline_serializer("Errors", {"errors": FieldErrorSerializer(many=True)})
