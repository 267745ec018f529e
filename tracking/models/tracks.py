"""How far each technician's fixes have been worked through."""

from __future__ import annotations

from django.db import models

from dispatch.models import Technician


class Track(models.Model):
    """What the engine knows of a technician so far. Whoever locks this row, and nobody else,
    writes what is worked out from that technician's fixes.

    `state` is `tracking.engine.State` in MessagePack; empty: nothing yet.
    """

    technician = models.OneToOneField(
        Technician, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    state = models.BinaryField(default=b"")
    # Seconds from the phone's clock to ours: the least of late. Below zero the phone is ahead.
    lag = models.FloatField(null=True)


class Checkpoint(models.Model):
    """A track's state after the fix at `recorded_at`, from where to begin when a late one comes."""

    pk = models.CompositePrimaryKey("technician_id", "recorded_at")
    technician = models.ForeignKey(Technician, on_delete=models.CASCADE, related_name="+")
    recorded_at = models.DateTimeField()
    state = models.BinaryField()


class Recount(models.Model):
    """A track must be worked through again from `since` on.

    A row of its own, since whoever adds it does not hold the track.
    """

    technician = models.ForeignKey(Technician, on_delete=models.CASCADE, related_name="+")
    since = models.DateTimeField()
    cause = models.CharField(max_length=12)
