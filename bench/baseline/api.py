"""The one view: `CreateAPIView` with a model serializer."""

from __future__ import annotations

from typing import Any

from rest_framework import generics, serializers

from bench.baseline.models import Fix


class FixSerializer(serializers.ModelSerializer[Fix]):
    class Meta:
        model = Fix
        fields = (
            *("id", "recorded_at", "received_at", "lat", "lon"),
            *("accuracy", "speed", "heading", "battery"),
        )


class CreateFix(generics.CreateAPIView[Fix]):
    queryset = Fix.objects.all()
    serializer_class = FixSerializer

    def perform_create(self, serializer: Any) -> None:
        serializer.save(technician=self.request.user.technician)
