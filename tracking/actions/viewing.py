"""Telling technicians who looked at them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from dispatch.models import User
from tracking.models import Viewing

# A row that was prolonged a moment ago is not written again. Who looks at themself is no viewer.
_RECORD = """
WITH asked AS (
    SELECT id AS technician_id FROM dispatch_technician
    WHERE id = ANY(%(technicians)s) AND user_id <> %(viewer)s
), going_on AS (
    SELECT viewing.id, viewing.technician_id, viewing.last_at
    FROM tracking_viewing viewing JOIN asked USING (technician_id)
    WHERE viewing.viewer_id = %(viewer)s AND viewing.what = %(what)s
      AND viewing.last_at >= %(window)s
), prolonged AS (
    UPDATE tracking_viewing SET last_at = %(now)s
    WHERE id IN (SELECT id FROM going_on WHERE last_at <= %(unwritten)s)
)
INSERT INTO tracking_viewing (technician_id, viewer_id, what, began_at, last_at)
SELECT technician_id, %(viewer)s, %(what)s, %(now)s, %(now)s FROM asked
WHERE technician_id NOT IN (SELECT technician_id FROM going_on)
ORDER BY technician_id
"""


@transaction.atomic
def record_viewing(*, viewer: int, technicians: Collection[int], what: Viewing.What) -> None:
    """Tell that a user looks at the positions of these technicians now. Locks the user's row.

    Prolongs the rows of the same viewer, technician and kind that ended within
    VIEWING_WINDOW_SECONDS, and adds one where there is none.

    Raises:
        User.DoesNotExist: there is no such user.
    """
    if not technicians:
        return
    # Two that look at the same moment would both find no row to prolong.
    User.objects.select_for_update(no_key=True).only("pk").get(pk=viewer)
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            _RECORD,
            {
                "viewer": viewer,
                "technicians": list(technicians),
                "what": what.value,
                "now": now,
                "window": now - timedelta(seconds=settings.VIEWING_WINDOW_SECONDS),
                "unwritten": now - timedelta(seconds=settings.VIEWING_PROLONG_SECONDS),
            },
        )
