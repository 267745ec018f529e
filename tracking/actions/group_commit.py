"""Recording many phones' fixes with one commit.

A commit costs the disk milliseconds, however much it holds. So while one is under way, what other
phones upload waits for the next and shares it, whatever the company.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from uuid import UUID
from weakref import WeakKeyDictionary

import msgspec
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from cable import State, abroadcast_state
from dispatch.queries import signed_in_phones
from tenants.context import run_on_platform
from tenants.streams import company_stream
from tracking.actions.storing import MAP_STREAM, Outcome, Reading, Stored, store_readings
from tracking.fixes import FixForm
from tracking.measures import COMMITS, FIXES, REFUSALS, WAITING

logger = logging.getLogger(__name__)


class Upload(msgspec.Struct, frozen=True):
    """What one phone sends at once. `session` is the phone's sign-in."""

    schema: str
    technician_id: int
    session: UUID
    fixes: list[FixForm]


class Busy(Exception):
    """More fixes wait already than may; the phone keeps them and tries again."""


class NotSignedIn(Exception):
    """The phone was signed out, or its technician is not in service any more."""


class CompanyFailed(Exception):
    """This company's fixes cannot be stored now; those of others can."""


Result = list[Outcome] | Exception


class GroupCommit:
    """The uploads of one process that wait for a commit; use it on one event loop."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Upload, asyncio.Future[list[Outcome]]]] = deque()
        self._fixes = 0
        self._committer: asyncio.Task[None] | None = None
        self._publishing: set[asyncio.Task[None]] = set()

    @classmethod
    def current(cls) -> GroupCommit:
        """That of the running event loop."""
        loop = asyncio.get_running_loop()
        if loop not in _of_loops:
            _of_loops[loop] = cls()
        return _of_loops[loop]

    async def record(self, upload: Upload) -> list[Outcome]:
        """Store an upload; one outcome per fix, in order, once they are committed.

        Raises:
            Busy: too much waits.
            NotSignedIn: nothing of it is stored.
            CompanyFailed: nothing of it is stored.
            OperationalError, PoolTimeout: the database cannot be reached; what became of the
                upload is not known, and sending it again does no harm.
        """
        if not upload.fixes:
            return []
        if self._fixes + len(upload.fixes) > settings.INGEST_MAX_WAITING_FIXES:
            REFUSALS.labels("busy").inc()
            raise Busy(f"{self._fixes} fixes wait already")
        done: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        self._waiting.append((upload, done))
        self._count(len(upload.fixes))
        if self._committer is None:
            self._committer = asyncio.create_task(self._commit_all(), name="ingest-commit")
        return await done

    async def _commit_all(self) -> None:
        try:
            while self._waiting:
                batch = self._take()
                uploads = [upload for upload, _ in batch]
                results: Sequence[Result]
                try:
                    with COMMITS.time():
                        results, changes = await run_on_platform(commit_uploads, uploads)
                except Exception as error:  # told to each of the phones
                    results, changes = [error] * len(batch), {}
                self._count(-sum(len(upload.fixes) for upload in uploads))
                _measure(results)
                for (_, done), result in zip(batch, results, strict=True):
                    _settle(done, result)
                for schema, states in changes.items():
                    self._publish(schema, states)
        finally:
            self._committer = None

    def _count(self, fixes: int) -> None:
        self._fixes += fixes
        WAITING.inc(fixes)

    def _take(self) -> list[tuple[Upload, asyncio.Future[list[Outcome]]]]:
        """The oldest, as many as one commit may hold; at least one."""
        batch = [self._waiting.popleft()]
        size = len(batch[0][0].fixes)
        while self._waiting:
            size += len(self._waiting[0][0].fixes)
            if size > settings.INGEST_MAX_COMMIT_FIXES:
                break
            batch.append(self._waiting.popleft())
        return batch

    def _publish(self, schema: str, states: dict[str, State]) -> None:
        # The phones need not wait for it; versions keep two of these in order.
        sending = abroadcast_state(company_stream(schema, MAP_STREAM), states)
        task = asyncio.create_task(sending, name="ingest-publish")
        self._publishing.add(task)
        task.add_done_callback(self._publishing.discard)


_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, GroupCommit] = WeakKeyDictionary()


def commit_uploads(
    uploads: Sequence[Upload],
) -> tuple[list[Result], dict[str, dict[str, State]]]:
    """Store uploads of any companies in one transaction; a result for each, in order, and what
    changed on each company's map.

    A company whose part fails costs the others nothing: each is then committed by itself.

    Raises what the database driver raises when the server cannot be reached.
    """
    by_schema: dict[str, list[int]] = {}
    for number, upload in enumerate(uploads):
        by_schema.setdefault(upload.schema, []).append(number)
    results: list[Result] = [CompanyFailed() for _ in uploads]
    changes: dict[str, dict[str, State]] = {}
    schemas = sorted(by_schema)  # one order of locks in all processes
    if not _try(uploads, by_schema, schemas, results, changes) and len(schemas) > 1:
        for schema in schemas:
            _try(uploads, by_schema, [schema], results, changes)
    return results, changes


def _try(
    uploads: Sequence[Upload],
    by_schema: dict[str, list[int]],
    schemas: Sequence[str],
    results: list[Result],
    changes: dict[str, dict[str, State]],
) -> bool:
    """Commit some companies' uploads together; False when one of them cannot be."""
    try:
        _commit(uploads, by_schema, schemas, results, changes)
    except (OperationalError, InterfaceError):
        raise
    except DatabaseError:
        logger.exception("fixes of %.200s are not stored", ", ".join(schemas))
        return False
    return True


def _commit(
    uploads: Sequence[Upload],
    by_schema: dict[str, list[int]],
    schemas: Sequence[str],
    results: list[Result],
    changes: dict[str, dict[str, State]],
) -> None:
    received_at = timezone.now()
    found: dict[str, tuple[list[int], Stored]] = {}
    refused: list[int] = []
    with transaction.atomic(), connection.cursor() as cursor:
        for schema in schemas:
            numbers = by_schema[schema]
            phones = {uploads[number].session for number in numbers}
            known = signed_in_phones(cursor, schema, phones)
            good = [number for number in numbers if _phone(uploads[number]) in known]
            refused += [number for number in numbers if _phone(uploads[number]) not in known]
            readings = [
                Reading(uploads[number].technician_id, fix)
                for number in good
                for fix in uploads[number].fixes
            ]
            if readings:
                stored = store_readings(cursor, schema, readings, received_at=received_at)
                found[schema] = (good, stored)
    for number in refused:
        results[number] = NotSignedIn()
    for schema, (good, stored) in found.items():
        outcomes = iter(stored.outcomes)
        for number in good:
            results[number] = [next(outcomes) for _ in uploads[number].fixes]
        if stored.changes:
            changes[schema] = stored.changes


def _measure(results: Sequence[Result]) -> None:
    for result in results:
        match result:
            case list():
                stored = result.count("stored")
                FIXES.labels("stored").inc(stored)
                FIXES.labels("duplicate").inc(len(result) - stored)
            case NotSignedIn():
                REFUSALS.labels("signed_out").inc()
            case CompanyFailed():
                REFUSALS.labels("company").inc()
            case _:
                REFUSALS.labels("database").inc()


def _phone(upload: Upload) -> tuple[UUID, int]:
    return upload.session, upload.technician_id


def _settle(done: asyncio.Future[list[Outcome]], result: Result) -> None:
    if done.done():
        return  # the phone is gone
    if isinstance(result, Exception):
        done.set_exception(result)
    else:
        done.set_result(result)
