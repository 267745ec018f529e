"""The lock of one technician's track."""

from __future__ import annotations

from tracking.models import Track


def lock_track(technician_id: int) -> Track:
    """Keep everybody else from working on this technician's positions until the transaction ends.

    Locks the technician's `Track`, which is made if there is none. Take it before any other lock.

    Raises:
        TransactionManagementError: outside of a transaction.
    """
    Track.objects.bulk_create([Track(technician_id=technician_id)], ignore_conflicts=True)
    return Track.objects.select_for_update().get(pk=technician_id)
