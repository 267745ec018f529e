"""A technician's fixes as a stream of text.

The stream is made while the client reads it, on the event loop, long after the request's own
thread left its company. So each page is read for a company that is named, and nothing of the
database is held in between, however slow the client is: no connection, and no cursor whose
snapshot would keep vacuum from its work.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
from django.conf import settings

from tenants.context import run_in_tenant
from tracking.models import Reading
from tracking.queries import FixesAfter, fixes_of

#: Name and media type. The first is meant when none is asked for.
FORMATS = {"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}

COLUMNS = ("id", *(field.name for field in Reading._meta.local_fields), "reason")

Row = Sequence[Any]


async def exported(
    schema: str,
    *,
    form: str,
    technician: int,
    since: datetime | None,
    until: datetime | None,
) -> AsyncIterator[bytes]:
    """One technician's fixes with since ≤ recorded_at < until, in order; page after page.

    `form` is one of FORMATS. Each line of NDJSON is an object, unknown values are null; CSV
    begins with the names of its columns, unknown values are empty. A fix that comes in meanwhile
    is in the stream if its place is still ahead.
    """
    write = _csv if form == "csv" else _ndjson
    if form == "csv":
        yield _csv([COLUMNS])
    after: FixesAfter | None = None
    while True:
        rows = await run_in_tenant(schema, _read, technician, since, until, after)
        if rows:
            yield write(rows)
        if len(rows) < settings.EXPORT_PAGE_ROWS:
            return
        last = dict(zip(COLUMNS, rows[-1], strict=True))
        after = FixesAfter(recorded_at=last["recorded_at"], id=last["id"])


def _read(
    technician: int, since: datetime | None, until: datetime | None, after: FixesAfter | None
) -> list[Row]:
    rows = fixes_of(technician=technician, since=since, until=until, after=after)
    return list(rows.values_list(*COLUMNS)[: settings.EXPORT_PAGE_ROWS])


def _ndjson(rows: Sequence[Row]) -> bytes:
    return msgspec.json.Encoder().encode_lines(
        [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    )


def _csv(rows: Sequence[Row]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([[_cell(value) for value in row] for row in rows])
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bool):
        return "true" if value else "false"
    # A spreadsheet would run what a phone called its activity (OWASP, CSV injection).
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value
