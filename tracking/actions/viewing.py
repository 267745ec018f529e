"""Writing down who looked at whose positions."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils import timezone

from dispatch.models import User
from tracking.models import Viewing


def record_viewing(*, viewer: User, technicians: Iterable[int], what: str) -> None:
    """Note that a user looks at technicians' positions now; `what` is one of Viewing.What."""
    now = timezone.now()
    Viewing.objects.bulk_create(
        [
            Viewing(technician_id=each, viewer=viewer, what=what, began_at=now, last_at=now)
            for each in technicians
        ]
    )
