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


class Reason(models.TextChoices):
    """Why a fix is kept but counts for nothing."""

    ACCURACY = "accuracy", "its accuracy is too poor"
    MOCK = "mock", "the phone says that the position is made up"
    FUTURE = "future", "the phone's clock was ahead of the server's"
    DUPLICATE = "duplicate", "the phone sent another fix of the same moment"
    OUTLIER = "outlier", "nobody gets there and back again as fast"
    SPEED = "speed", "nobody gets there as fast, and the next fix was elsewhere"
    UNCONFIRMED = "unconfirmed", "nobody gets there as fast; the next fix will tell"


class Fix(Reading):
    """One reading. `id` is the phone's own, so that sending it again changes nothing; nor does the
    same place at the same moment under another id, of a phone that forgot what it had sent.

    `reason` is null while the fix is good. Changing the company's policy judges it anew.
    """

    pk = models.CompositePrimaryKey("technician_id", "id")
    technician = models.ForeignKey(Technician, on_delete=models.CASCADE, related_name="+")
    id = models.UUIDField()
    reason = models.CharField(max_length=12, choices=Reason.choices, null=True)  # noqa: DJ001

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(lat__range=(-90, 90)) & models.Q(lon__range=(-180, 180)),
                name="fix_on_earth",
            ),
            # Also the order in which they are read. Copies of the template get this name anyway.
            models.UniqueConstraint(
                fields=["technician", "recorded_at", "lat", "lon"],
                name="tracking_fix_technician_id_recorded_at_lat_lon_key",
            ),
        ]


class Position(Reading):
    """Where a technician is now: the good fix with the latest `recorded_at`."""

    technician = models.OneToOneField(
        Technician, on_delete=models.CASCADE, primary_key=True, related_name="position"
    )
