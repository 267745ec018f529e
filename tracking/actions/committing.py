"""One transaction for the uploads of many phones, of any companies."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

import msgspec
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from cable import State
from dispatch.queries import signed_in_phones
from tracking.actions.outcomes import Recorded, Upload
from tracking.actions.storing import Reading, Stored, store_readings
from tracking.engine import Arrived, Departed

logger = logging.getLogger(__name__)


class NotSignedIn(Exception):
    """The phone was signed out, or its technician is not in service any more."""


class CompanyFailed(Exception):
    """This company's fixes cannot be stored now; those of others can."""


Result = Recorded | Exception


class Told(msgspec.Struct):
    """What others are to be told of one company: the map's keys that changed, and visits; and the
    technicians whose tracks are to be worked through again."""

    changes: dict[str, State]
    visits: list[tuple[int, Arrived | Departed]]
    late: list[int]


class Committed(msgspec.Struct):
    """A result for each upload, in order; what to tell of each company."""

    results: list[Result]
    told: dict[str, Told]


def commit_uploads(uploads: Sequence[Upload]) -> Committed:
    """Store uploads of any companies in one transaction.

    A company whose part fails costs the others nothing: each is then committed by itself.

    Raises what the database driver raises when the server cannot be reached.
    """
    return _Commit(uploads).run()


class _Commit:
    def __init__(self, uploads: Sequence[Upload]) -> None:
        self._uploads = uploads
        # The numbers of each company's uploads.
        self._of_schema: dict[str, list[int]] = {}
        for number, upload in enumerate(uploads):
            self._of_schema.setdefault(upload.schema, []).append(number)
        self._done = Committed([CompanyFailed() for _ in uploads], {})

    def run(self) -> Committed:
        schemas = sorted(self._of_schema)  # one order of locks in all processes
        if not self._try(schemas) and len(schemas) > 1:
            for schema in schemas:
                self._try([schema])
        return self._done

    def _try(self, schemas: Sequence[str]) -> bool:
        """Commit some companies' uploads together; False when one of them cannot be."""
        received_at = timezone.now()
        found: dict[str, tuple[list[int], Stored]] = {}
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                for schema in schemas:
                    found[schema] = self._store(cursor, schema, received_at)
        except (OperationalError, InterfaceError):
            raise
        except DatabaseError:
            logger.exception("fixes of %.200s are not stored", ", ".join(schemas))
            return False
        for schema, (good, stored) in found.items():
            self._keep(schema, good, stored)
        return True

    def _store(
        self, cursor: CursorWrapper, schema: str, received_at: datetime
    ) -> tuple[list[int], Stored]:
        """The numbers of the uploads whose phones are signed in, and what became of these."""
        numbers = self._of_schema[schema]
        known = signed_in_phones(cursor, schema, {self._uploads[n].session for n in numbers})
        good = [
            n
            for n in numbers
            if (self._uploads[n].session, self._uploads[n].technician_id) in known
        ]
        readings = [Reading(self._uploads[n].technician_id, self._uploads[n].fixes) for n in good]
        if not readings:
            return [], Stored([], {}, [], [])
        return good, store_readings(cursor, schema, readings, received_at=received_at)

    def _keep(self, schema: str, good: Sequence[int], stored: Stored) -> None:
        for number in self._of_schema[schema]:
            self._done.results[number] = NotSignedIn()
        for number, recorded in zip(good, stored.recorded, strict=True):
            self._done.results[number] = recorded
        if stored.changes or stored.visits or stored.late:
            self._done.told[schema] = Told(stored.changes, stored.visits, stored.late)
