"""Bodies of requests, checked by serializers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from rest_framework import serializers
from rest_framework.request import Request


class MomentField(serializers.DateTimeField):
    """A time that says its offset; without one it would be read as UTC's."""

    default_error_messages = {
        "invalid": "must be a time with its offset, such as 2026-11-22T10:00:00Z",
        "overflow": "must be a time that UTC can tell",
    }

    def to_internal_value(self, value: Any) -> datetime:
        if not isinstance(value, str):
            self.fail("invalid")
        try:
            told = parse_datetime(value)
        except ValueError:
            told = None
        if told is None or told.tzinfo is None:
            self.fail("invalid")
        return super().to_internal_value(value)


def validated(
    serializer_class: type[serializers.Serializer[Any]], request: Request
) -> dict[str, Any]:
    """The request's body as the serializer reads it.

    Raises:
        ValidationError: DRF's own; becomes a 400 with every wrong field.
    """
    serializer = serializer_class(data=request.data)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data
