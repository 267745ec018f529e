"""One table for all companies, each row with whose it is."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import models


class Technician(models.Model):
    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="technician")
    company = models.CharField(max_length=40, db_index=True)


class Fix(models.Model):
    id = models.UUIDField(primary_key=True)
    technician = models.ForeignKey(Technician, on_delete=models.CASCADE)
    recorded_at = models.DateTimeField()
    received_at = models.DateTimeField(auto_now_add=True)
    lat = models.FloatField()
    lon = models.FloatField()
    accuracy = models.FloatField(null=True)
    speed = models.FloatField(null=True)
    heading = models.FloatField(null=True)
    battery = models.FloatField(null=True)

    class Meta:
        indexes = [models.Index(fields=["technician", "recorded_at"], name="baseline_fix_by_time")]
