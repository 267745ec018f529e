"""What is worked out from fixes: trips, visits to jobs' sites, and days."""

from __future__ import annotations

from django.db import models

from dispatch.models import Job, Technician, User


class Trip(models.Model):
    """A drive or walk from one stop to the next. `settled_at` is of the fix that proved its end."""

    pk = models.CompositePrimaryKey("technician_id", "started_at")
    technician = models.ForeignKey(Technician, on_delete=models.CASCADE, related_name="+")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    settled_at = models.DateTimeField()
    start_lat = models.FloatField()
    start_lon = models.FloatField()
    end_lat = models.FloatField()
    end_lon = models.FloatField()
    distance = models.FloatField(help_text="metres")
    fixes = models.PositiveIntegerField()

    class Meta:
        indexes = [models.Index(fields=["ended_at"], name="trip_by_end")]


class Visit(models.Model):
    """A technician at a job's site; or, as `crossing`, one who only drove through it.

    The moments are of fixes, or between two of them. `arrived_by` and `left_by` are of the fixes
    that proved it.
    """

    pk = models.CompositePrimaryKey("technician_id", "job_id", "arrived_at")
    technician = models.ForeignKey(Technician, on_delete=models.CASCADE, related_name="+")
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="+")
    arrived_at = models.DateTimeField()
    arrived_by = models.DateTimeField()
    left_at = models.DateTimeField(null=True)
    left_by = models.DateTimeField(null=True)
    crossing = models.BooleanField(default=False)

    class Meta:
        indexes = [models.Index(fields=["job", "arrived_at"], name="visit_by_job")]


class Statement(models.Model):
    """What a technician says of a visit, against or beside what the fixes say. Both are kept.

    The latest of a job counts. `arrived_at` null: was not there.
    """

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="+")
    technician = models.ForeignKey(Technician, on_delete=models.CASCADE, related_name="+")
    arrived_at = models.DateTimeField(null=True)
    left_at = models.DateTimeField(null=True)
    stated_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    stated_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["job", "-stated_at"], name="statement_by_job")]


class DayTotal(models.Model):
    """A technician's day, kept for reports after its fixes and trips were deleted."""

    pk = models.CompositePrimaryKey("technician_id", "day")
    technician = models.ForeignKey(Technician, on_delete=models.CASCADE, related_name="+")
    day = models.DateField(help_text="In the company's time zone.")
    distance = models.FloatField(help_text="metres")
    travel_seconds = models.FloatField()
    on_site_seconds = models.FloatField()
    trips = models.PositiveIntegerField()
    visits = models.PositiveIntegerField()
    fixes = models.PositiveIntegerField()
    flagged = models.PositiveIntegerField()
