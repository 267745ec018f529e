"""What a technician's day sums up to. The only place that says what belongs to which day."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec
from django.db import connection

# A day that has a total in the table is told as it stands there, whatever rows are left of it.
_FIGURES = """
SELECT day.day,
    coalesce(total.distance, trips.distance, 0),
    coalesce(total.travel_seconds, trips.seconds, 0),
    coalesce(total.on_site_seconds, visits.seconds, 0),
    coalesce(total.trips, trips.count),
    coalesce(total.visits, visits.count),
    coalesce(total.fixes, fixes.count),
    coalesce(total.flagged, fixes.flagged),
    total.day IS NOT NULL
FROM unnest(%(days)s::date[], %(begins)s::timestamptz[], %(ends)s::timestamptz[])
    AS day (day, begins, ends)
LEFT JOIN tracking_daytotal total
    ON total.technician_id = %(technician)s AND total.day = day.day
CROSS JOIN LATERAL (
    SELECT count(*), sum(distance) AS distance,
        sum(extract(epoch FROM ended_at - started_at))::float8 AS seconds
    FROM tracking_trip
    WHERE total.day IS NULL AND technician_id = %(technician)s
        AND started_at >= day.begins AND started_at < day.ends
) trips
CROSS JOIN LATERAL (
    SELECT count(*), sum(extract(epoch FROM left_at - arrived_at))::float8 AS seconds
    FROM tracking_visit
    WHERE total.day IS NULL AND technician_id = %(technician)s AND NOT crossing
        AND arrived_at >= day.begins AND arrived_at < day.ends
) visits
CROSS JOIN LATERAL (
    SELECT count(*), count(reason) AS flagged
    FROM tracking_fix
    WHERE total.day IS NULL AND technician_id = %(technician)s
        AND recorded_at >= day.begins AND recorded_at < day.ends
) fixes
ORDER BY day.day
"""


class DayFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One technician's day: metres, seconds, counts. `fixes` are all, `flagged` those of them that
    count for nothing; `frozen`: from `DayTotal`, and nothing changes it any more.
    """

    day: date
    distance: float
    travel_seconds: float
    on_site_seconds: float
    trips: int
    visits: int
    fixes: int
    flagged: int
    frozen: bool

    @property
    def is_empty(self) -> bool:
        return not (self.trips or self.visits or self.fixes)


def day_figures(*, technician: int, since: date, until: date, zone: ZoneInfo) -> list[DayFigures]:
    """Each day with since ≤ day < until, in order, also where nothing happened.

    A trip belongs whole to the day on which it started, a visit to the day of its arrival, both
    also when they go on past midnight. A visit that has not ended is counted, its time is not; one
    that was only driven through is not counted at all.
    """
    days = [since + timedelta(number) for number in range((until - since).days)]
    begins = [day_begins(day, zone) for day in (*days, until)]
    with connection.cursor() as cursor:
        cursor.execute(
            _FIGURES,
            {
                "technician": technician,
                "days": days,
                "begins": begins[:-1],
                "ends": begins[1:],
            },
        )
        return [
            DayFigures(**dict(zip(DayFigures.__struct_fields__, row, strict=True)))
            for row in cursor.fetchall()
        ]


def day_begins(day: date, zone: ZoneInfo) -> datetime:
    """A day's first moment in a company's time zone, in UTC.

    Where clocks are put forward at midnight it is the moment at which they are; where they are put
    back over midnight, the first of the two midnights.
    """
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def day_of(moment: datetime, zone: ZoneInfo) -> date:
    """The day on which a moment is in a company's time zone."""
    return moment.astimezone(zone).date()
