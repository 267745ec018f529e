"""A task that tells the map of a position, as work of a company in the background does."""

from __future__ import annotations

from celery import shared_task
from django.db import transaction

from cable import State, broadcast_state
from tenants.context import current_schema
from tenants.streams import company_stream
from tracking.actions import MAP_STREAM


@shared_task
def move(technician: str, version: int) -> None:
    with transaction.atomic():
        position = {"lat": 1.5, "lon": 2.5}
        stream = company_stream(current_schema(), MAP_STREAM)
        broadcast_state(stream, {technician: State(version, position)})
