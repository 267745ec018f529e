"""Recording many phones' fixes with one commit.

A commit costs the disk milliseconds, however much it holds. So while one is under way, what other
phones upload waits for the next and shares it, whatever the company.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Coroutine, Sequence
from itertools import chain
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from django.conf import settings

from cable import abroadcast, abroadcast_state
from tenants.context import run_on_platform
from tenants.streams import company_stream
from tracking.actions.committing import CompanyFailed, NotSignedIn, Result, Told, commit_uploads
from tracking.actions.outcomes import Recorded, Upload
from tracking.actions.settler import Settler
from tracking.actions.storing import MAP_STREAM
from tracking.actions.telling import to_proposal
from tracking.measures import COMMITS, FIXES, REFUSALS, WAITING
from tracking.messages import technician_stream


class Busy(Exception):
    """More fixes wait already than may; the phone keeps them and tries again."""


class GroupCommit:
    """The uploads of one process that wait for a commit; use it on one event loop."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Upload, asyncio.Future[Recorded]]] = deque()
        # Of uploads that wait or are being committed; and of those that wait.
        self._fixes = self._queued = 0
        self._committers: set[object] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._settler = Settler()
        _all.add(self)

    @classmethod
    def current(cls) -> GroupCommit:
        """That of the running event loop."""
        loop = asyncio.get_running_loop()
        try:
            return _of_loops[loop]
        except KeyError:
            return _of_loops.setdefault(loop, cls())

    @property
    def waiting(self) -> int:
        """Fixes that wait for a commit or are in one."""
        return self._fixes

    async def record(self, upload: Upload) -> Recorded:
        """Store an upload; one outcome per fix, in order, once they are committed.

        Raises:
            Busy: too much waits.
            NotSignedIn: nothing of it is stored.
            CompanyFailed: nothing of it is stored.
            OperationalError, PoolTimeout: the database cannot be reached; what became of the
                upload is not known, and sending it again does no harm.
        """
        if self._fixes + len(upload.fixes) > settings.INGEST_MAX_WAITING_FIXES:
            REFUSALS.labels("busy").inc()
            raise Busy(f"{self._fixes} fixes wait already")
        done: asyncio.Future[Recorded] = asyncio.get_running_loop().create_future()
        self._waiting.append((upload, done))
        self._count(len(upload.fixes))
        self._queued += len(upload.fixes)
        if self._wants_committer():
            place = object()
            self._committers.add(place)
            self._run(self._commit_all(place), name="ingest-commit")
        return await done

    def _wants_committer(self) -> bool:
        """One is enough until more waits than it will find time for while it waits itself."""
        if not self._committers:
            return True
        worth = self._queued >= settings.INGEST_FURTHER_COMMIT_FIXES
        return worth and len(self._committers) < settings.INGEST_COMMITS_AT_ONCE

    async def _commit_all(self, place: object) -> None:
        try:
            while self._waiting:
                await self._commit_some()
        finally:
            # Here and not when the task is done, which is later: what comes between would wait.
            self._committers.discard(place)

    async def _commit_some(self) -> None:
        batch = self._take()
        uploads = [upload for upload, _ in batch]
        results: Sequence[Result]
        told: dict[str, Told] = {}
        try:
            with COMMITS.time():
                committed = await run_on_platform(commit_uploads, uploads)
            results, told = committed.results, committed.told
        except Exception as error:  # told to each of the phones
            results = [error] * len(batch)
        self._count(-sum(len(upload.fixes) for upload in uploads))
        _measure(results)
        for (_, done), result in zip(batch, results, strict=True):
            _settle(done, result)
        for schema, what in told.items():
            self._tell(schema, what)

    def _count(self, fixes: int) -> None:
        self._fixes += fixes

    def _take(self) -> list[tuple[Upload, asyncio.Future[Recorded]]]:
        """The oldest, as many as one commit may hold; at least one."""
        batch = [self._waiting.popleft()]
        size = len(batch[0][0].fixes)
        while self._waiting:
            size += len(self._waiting[0][0].fixes)
            if size > settings.INGEST_MAX_COMMIT_FIXES:
                break
            batch.append(self._waiting.popleft())
        self._queued -= sum(len(upload.fixes) for upload, _ in batch)
        return batch

    def _tell(self, schema: str, told: Told) -> None:
        # The phones need not wait for it; versions keep two of these in order.
        if told.changes:
            self._run(
                abroadcast_state(company_stream(schema, MAP_STREAM), told.changes),
                name="ingest-tell",
            )
        for technician_id, event in told.visits:
            stream = company_stream(schema, technician_stream(technician_id))
            self._run(abroadcast(stream, to_proposal(event)), name="ingest-tell")
        for technician_id in told.late:
            self._settler.add(schema, technician_id)

    def _run(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_all: WeakSet[GroupCommit] = WeakSet()
_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, GroupCommit] = WeakKeyDictionary()
# Asked for when it is read: counting each upload there costs more than the upload's own counting.
WAITING.set_function(lambda: sum(commit.waiting for commit in list(_all)))


def _measure(results: Sequence[Result]) -> None:
    recorded = [result.outcomes for result in results if isinstance(result, Recorded)]
    for (status, reason), count in Counter(chain.from_iterable(recorded)).items():
        FIXES.labels(reason or status).inc(count)
    for result in results:
        match result:
            case Recorded():
                pass
            case NotSignedIn():
                REFUSALS.labels("signed_out").inc()
            case CompanyFailed():
                REFUSALS.labels("company").inc()
            case _:
                REFUSALS.labels("database").inc()


def _settle(done: asyncio.Future[Recorded], result: Result) -> None:
    if done.done():
        return  # the phone is gone
    if isinstance(result, Exception):
        done.set_exception(result)
    else:
        done.set_result(result)
