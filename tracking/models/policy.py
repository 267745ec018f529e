"""How one company tracks."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models


class Policy(models.Model):
    """One company's choices: at most one row, with id 1; without it the defaults hold.

    Written by `tracking.actions.change_policy` alone, which judges what is stored anew.
    """

    class Accept(models.TextChoices):
        ALWAYS = "always", "at any time"
        ON_SHIFT = "on_shift", "on shift, or from “on my way” until the job is done"
        ON_TRIP = "on_trip", "only from “on my way” until the job is done"

    accept = models.CharField(max_length=10, choices=Accept.choices, default=Accept.ON_SHIFT)
    max_accuracy = models.FloatField(
        default=100, validators=[MinValueValidator(5), MaxValueValidator(5_000)], help_text="metres"
    )
    max_speed = models.FloatField(
        default=60, validators=[MinValueValidator(5), MaxValueValidator(400)], help_text="m/s"
    )
    flag_mock = models.BooleanField(default=True)
    stop_radius = models.FloatField(
        default=75, validators=[MinValueValidator(10), MaxValueValidator(1_000)], help_text="metres"
    )
    stop_seconds = models.FloatField(
        default=180, validators=[MinValueValidator(30), MaxValueValidator(3_600)]
    )
    site_radius = models.FloatField(
        default=100,
        validators=[MinValueValidator(20), MaxValueValidator(2_000)],
        help_text="metres",
    )
    delayed_seconds = models.PositiveIntegerField(default=60, validators=[MinValueValidator(5)])
    stale_seconds = models.PositiveIntegerField(default=300)
    lost_seconds = models.PositiveIntegerField(
        default=1_800, validators=[MaxValueValidator(86_400)]
    )
    retention_days = models.PositiveIntegerField(
        default=365, validators=[MinValueValidator(1), MaxValueValidator(3_650)]
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="policy_is_one_row"),
            models.CheckConstraint(
                condition=models.Q(delayed_seconds__lt=models.F("stale_seconds"))
                & models.Q(stale_seconds__lt=models.F("lost_seconds")),
                name="policy_ages_ascend",
            ),
        ]
