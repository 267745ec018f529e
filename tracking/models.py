"""Positions as the phones reported them, and the latest of each technician."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from dispatch.models import Technician


class Reading(models.Model):
    """What a phone said about one moment. Unknown is null.

    Units: degrees (WGS 84), metres, metres per second, degrees clockwise from north, 0..1.
    """

    recorded_at = models.DateTimeField(help_text="The phone's clock.")
    received_at = models.DateTimeField(help_text="The server's clock.")
    lat = models.FloatField()
    lon = models.FloatField()
    accuracy = models.FloatField(null=True)
    speed = models.FloatField(null=True)
    heading = models.FloatField(null=True)
    altitude = models.FloatField(null=True)
    battery = models.FloatField(null=True)
    charging = models.BooleanField(null=True)
    activity = models.CharField(max_length=40, null=True)  # noqa: DJ001  null: not reported
    mock = models.BooleanField(null=True)

    class Meta:
        abstract = True


class Fix(Reading):
    """One reading. `id` is the phone's own, so that sending it again changes nothing."""

    pk = models.CompositePrimaryKey("technician_id", "id")
    technician = models.ForeignKey(Technician, on_delete=models.CASCADE, related_name="+")
    id = models.UUIDField()

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["technician", "recorded_at", "id"], name="fix_by_time")
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(lat__range=(-90, 90)) & models.Q(lon__range=(-180, 180)),
                name="fix_on_earth",
            )
        ]


class Position(Reading):
    """Where a technician is now: the reading with the latest `recorded_at`."""

    technician = models.OneToOneField(
        Technician, on_delete=models.CASCADE, primary_key=True, related_name="position"
    )
