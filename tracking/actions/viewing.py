"""Telling technicians who looked at them."""

from __future__ import annotations

from collections.abc import Collection

from django.utils import timezone

from tracking.models import Viewing


def record_viewing(*, viewer: int, technicians: Collection[int], what: Viewing.What) -> None:
    """Tell that a user looks at the positions of these technicians now."""
    now = timezone.now()
    Viewing.objects.bulk_create(
        [
            Viewing(technician_id=each, viewer_id=viewer, what=what, began_at=now, last_at=now)
            for each in technicians
        ]
    )
