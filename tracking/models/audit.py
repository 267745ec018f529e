"""Who looked at whom, and what was changed after the fact."""

from __future__ import annotations

from django.db import models

from dispatch.models import Job, Technician, User


class Viewing(models.Model):
    """Somebody looked at a technician's positions: live, as history, or exported.

    Looking again within VIEWING_WINDOW_SECONDS prolongs the row instead of adding one.
    """

    class What(models.TextChoices):
        LIVE = "live"
        HISTORY = "history"
        EXPORT = "export"

    technician = models.ForeignKey(Technician, on_delete=models.CASCADE, related_name="+")
    viewer = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    what = models.CharField(max_length=10, choices=What.choices)
    began_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["technician", "-last_at"], name="viewing_by_technician")]


class Correction(models.Model):
    """Late fixes or another policy changed when a technician was at a job's site.

    `before` and `after` list [arrived_at, left_at] in ISO 8601, null while there.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="+")
    technician = models.ForeignKey(Technician, on_delete=models.CASCADE, related_name="+")
    cause = models.CharField(max_length=12)
    before = models.JSONField()
    after = models.JSONField()
    corrected_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["job", "-corrected_at"], name="correction_by_job")]


class Erasure(models.Model):
    """An owner had a technician's positions erased, whatever was known of them before `until`.

    The row stays for good. `until` null: all of them. The counts are of rows that are gone;
    `finished_at` null: not all are gone yet.
    """

    technician = models.ForeignKey(Technician, on_delete=models.PROTECT, related_name="+")
    erased_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    until = models.DateField(null=True, help_text="In the company's time zone; not itself.")
    keeps_totals = models.BooleanField()
    began_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    fixes = models.PositiveIntegerField(default=0)
    trips = models.PositiveIntegerField(default=0)
    visits = models.PositiveIntegerField(default=0)
