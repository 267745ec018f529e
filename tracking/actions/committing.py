"""One transaction for the uploads of many phones, of any companies."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import msgspec
from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone
from psycopg.errors import DeadlockDetected, LockNotAvailable

from cable import State
from tracking.actions.outcomes import Recorded, Upload
from tracking.actions.storing import CompanyPart, Reading, Stored, store_parts
from tracking.engine import Arrived, Departed

logger = logging.getLogger(__name__)


class NotSignedIn(Exception):
    """The phone was signed out, or its technician is not in service any more."""


class CompanyFailed(Exception):
    """This company's fixes cannot be stored now; those of others can."""


Result = Recorded | Exception

# Companies of which something was locked, and until when they are not waited for.
_locked: dict[str, float] = {}


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

    A company whose part fails costs the others nothing: each is then committed by itself. One of
    which something is locked, as while it is migrated, is waited for INGEST_LOCK_SECONDS, and then
    left out for INGEST_LOCKED_SECONDS.

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
        # One order of locks in all processes.
        schemas = sorted(schema for schema in self._of_schema if not _is_locked(schema))
        if schemas and not self._try(schemas) and len(schemas) > 1:
            for schema in schemas:
                self._try([schema])
        return self._done

    def _try(self, schemas: Sequence[str]) -> bool:
        """Commit some companies' uploads together; False when one of them cannot be."""
        received_at = timezone.now()
        parts = [
            CompanyPart(schema, self._readings(schema), received_at=received_at)
            for schema in schemas
        ]
        try:
            with transaction.atomic():
                found = store_parts(parts, lock_seconds=settings.INGEST_LOCK_SECONDS)
        except (OperationalError, InterfaceError) as error:
            if not isinstance(error.__cause__, DeadlockDetected | LockNotAvailable):
                raise
            logger.warning("fixes of %.200s wait for a lock: %s", ", ".join(schemas), error)
            if len(schemas) == 1:
                _locked[schemas[0]] = time.monotonic() + settings.INGEST_LOCKED_SECONDS
            return False
        except Exception:  # in one company's rows there may be anything
            logger.exception("fixes of %.200s are not stored", ", ".join(schemas))
            return False
        for schema, stored in zip(schemas, found, strict=True):
            self._keep(schema, stored)
        return True

    def _readings(self, schema: str) -> list[Reading]:
        uploads = [self._uploads[number] for number in self._of_schema[schema]]
        return [Reading(each.technician_id, each.fixes, each.session) for each in uploads]

    def _keep(self, schema: str, stored: Stored) -> None:
        for number, recorded in zip(self._of_schema[schema], stored.recorded, strict=True):
            self._done.results[number] = NotSignedIn() if recorded is None else recorded
        if stored.changes or stored.visits or stored.late:
            self._done.told[schema] = Told(stored.changes, stored.visits, stored.late)


def _is_locked(schema: str) -> bool:
    if _locked.get(schema, 0.0) > time.monotonic():
        return True
    _locked.pop(schema, None)
    return False
