"""Work to be done: jobs."""

from __future__ import annotations

from django.db import models

from dispatch.models.people import LATITUDE, LONGITUDE, Customer, Skill, Technician


class Job(models.Model):
    """One visit to a customer in a promised window of time."""

    class Status(models.TextChoices):
        UNASSIGNED = "unassigned"
        ASSIGNED = "assigned"
        ON_THE_WAY = "on_the_way"
        ARRIVED = "arrived"
        DONE = "done"
        CANCELLED = "cancelled"

    title = models.CharField(max_length=160)
    kind = models.CharField(max_length=20, choices=Skill.choices)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.UNASSIGNED)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="jobs")
    technician = models.ForeignKey(
        Technician, on_delete=models.PROTECT, related_name="jobs", null=True, blank=True
    )
    address = models.CharField(max_length=240)
    lat = models.FloatField(validators=LATITUDE)
    lon = models.FloatField(validators=LONGITUDE)
    starts_at = models.DateTimeField(db_index=True)
    ends_at = models.DateTimeField()
    # When the technician did each, as the technician said.
    on_the_way_at = models.DateTimeField(null=True, blank=True)
    arrived_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["starts_at", "id"]
        indexes = [models.Index(fields=["technician", "ends_at"], name="job_by_technician")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("starts_at")), name="job_window_has_length"
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=["unassigned", "cancelled"], technician=None)
                | models.Q(
                    status__in=["assigned", "on_the_way", "arrived", "done", "cancelled"],
                    technician__isnull=False,
                ),
                name="job_status_fits_technician",
            ),
        ]

    def __str__(self) -> str:
        return self.title
