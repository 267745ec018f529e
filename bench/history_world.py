"""A company with a year of positions, in the product's own tables."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import psycopg

SCHEMA = "company"
#: Thirteen months: a year's history, and the month that is about to be deleted.
FIRST, LAST = date(2025, 11, 1), date(2026, 11, 30)
#: Somebody works so long on each weekday, seconds.
SHIFT_SECONDS = 8 * 3600

# In the order in which phones send: what is one technician's is spread over the table.
_FILL = f"""
INSERT INTO {SCHEMA}.tracking_fix (technician_id, id, recorded_at, received_at, lat, lon, accuracy,
    speed, heading, altitude, battery, charging, activity, mock)
SELECT technician, gen_random_uuid(), at, at + interval '1.2s', 40 + random(), -74 + random(),
    3 + 10 * random(), 12 * random(), 360 * random(), 10, random(), false, 'in_vehicle', false
FROM generate_series(%(first)s::timestamptz, %(last)s::timestamptz, interval '1 day') day,
    generate_series(0, %(fixes)s - 1) number,
    unnest(%(technicians)s::bigint[]) technician,
    LATERAL (
        SELECT day + interval '8h' + (number + random()) * %(step)s * interval '1s' AS at
    ) moment
WHERE extract(isodow FROM day) < 6
"""


@dataclass(frozen=True)
class Day:
    """Of one technician, in UTC."""

    technician: int
    since: datetime

    @property
    def until(self) -> datetime:
        return self.since + timedelta(1)


@dataclass(frozen=True)
class World:
    technicians: list[int]
    fixes: int

    def days(self, count: int, *, seed: int) -> list[Day]:
        """So many weekdays of anybody, the same ones for the same seed."""
        chance = random.Random(seed)
        return [
            Day(chance.choice(self.technicians), chance.choice(_weekdays())) for _ in range(count)
        ]


def set_up(variables: Mapping[str, str]) -> None:
    """Make this process one of the product's, on the bench's own servers."""
    os.environ.update(variables)
    import django

    django.setup()


def create_world(url: str, *, technicians: int, fixes: int) -> World:
    """A migrated database with one company; as near to so many fixes as each day has equally."""
    from django.core.management import call_command

    from tenants.actions import create_company

    call_command("migrate_all", verbosity=0)
    create_company(schema=SCHEMA, name="Company")
    with psycopg.connect(url, autocommit=True) as database:
        numbers = _add_technicians(database, technicians)
        per_day = max(1, round(fixes / technicians / len(_weekdays())))
        values = {
            "first": datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC),
            "last": datetime(LAST.year, LAST.month, LAST.day, tzinfo=UTC),
            "fixes": per_day,
            "step": SHIFT_SECONDS / per_day,
            "technicians": numbers,
        }
        stored = _fill(database, values)
        database.execute(f"VACUUM (ANALYZE) {SCHEMA}.tracking_fix")
        database.execute("CHECKPOINT")
    return World(technicians=numbers, fixes=stored)


def _fill(database: psycopg.Connection, values: Mapping[str, object]) -> int:
    """Store the fixes; their indexes are made afterwards, which takes a tenth of the time."""
    table = f"{SCHEMA}.tracking_fix"
    indexes = database.execute(
        "SELECT indexname, indexdef FROM pg_indexes"
        " WHERE schemaname = %s AND tablename = 'tracking_fix'",
        [SCHEMA],
    ).fetchall()
    keys: dict[str, str] = dict(
        database.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = %s::regclass AND contype IN ('p', 'u', 'f')",
            [table],
        ).fetchall()
    )
    for name in keys:
        database.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    for name, _ in indexes:
        database.execute(f'DROP INDEX IF EXISTS {SCHEMA}."{name}"')
    stored = database.execute(_FILL, values).rowcount
    for name, definition in keys.items():
        database.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')
    for name, definition in indexes:
        if name not in keys:
            database.execute(definition)
    return stored


def _add_technicians(database: psycopg.Connection, count: int) -> list[int]:
    users = database.execute(
        f"INSERT INTO {SCHEMA}.dispatch_user (password, email, name, role, is_active, created_at)"
        " SELECT '!', 'technician' || number || '@company.test', 'Technician', 'technician', true,"
        " now() FROM generate_series(1, %s) number RETURNING id",
        [count],
    ).fetchall()
    found = database.execute(
        f"INSERT INTO {SCHEMA}.dispatch_technician (user_id, name, color, phone, skills, is_active)"
        " SELECT id, 'Technician', '#112233', '', '{}', true FROM unnest(%s::bigint[]) id"
        " RETURNING id",
        [[user for (user,) in users]],
    ).fetchall()
    return [technician for (technician,) in found]


def _weekdays() -> list[datetime]:
    days = [FIRST + timedelta(number) for number in range((LAST - FIRST).days + 1)]
    return [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in days if day.weekday() < 5]
