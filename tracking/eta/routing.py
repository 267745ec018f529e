"""Asks the routing engine, within bounds; does without it when it cannot answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from threading import BoundedSemaphore, Lock

import httpx
import msgspec
from django.conf import settings

from tracking import measures
from tracking.eta.air import by_air, table_by_air
from tracking.eta.breaker import Breaker
from tracking.eta.engines import ENGINES, Engine, Table
from tracking.eta.legs import Leg, Place, Travel

logger = logging.getLogger(__name__)
_lock = Lock()


class _FailedError(Exception):
    """The engine is away, too slow, overloaded, or speaks nonsense."""


class _RefusedError(Exception):
    """The engine is well, and will not answer this question: a place is not on its map."""


def travel(sources: Sequence[Place], targets: Sequence[Place], *, local: datetime) -> Travel:
    """The drives from each source to each target that set out at `local`, the company's own time.

    By the routing engine if there is one. Its failures raise nothing: then all of it is estimated
    by air, so that drives can be compared, and a warning says why: `routing_unavailable`,
    `routing_busy`, `routing_refused`. A drive for which the engine knows no way is estimated too,
    with `no_route`. So are the sources past ROUTING_MAX_SOURCES, with `not_routed`.
    """
    if not settings.ROUTING_ENGINE or not sources or not targets:
        return Travel(table_by_air([*sources], [*targets], local=local))
    return router(settings.ROUTING_ENGINE, settings.ROUTING_URL).travel(
        sources, targets, local=local
    )


def router(engine: str, url: str) -> Router:
    """This process's router for an engine: its connections, and what it knows of its health."""
    with _lock:  # or two threads would begin with one each
        return _router(engine, url)


@lru_cache(maxsize=1)
def _router(engine: str, url: str) -> Router:
    return Router(ENGINES[engine](url.rstrip("/")))


class Router:
    """Of one process, for many threads."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._breaker = Breaker(
            failures=settings.ROUTING_FAILURES, pause=settings.ROUTING_PAUSE_SECONDS, clock=clock
        )
        self._seats = BoundedSemaphore(settings.ROUTING_MAX_CONCURRENT)
        # The engine is a neighbour of ours: no proxy, no cookies, and no other address.
        self._client = httpx.Client(timeout=settings.ROUTING_TIMEOUT_SECONDS, trust_env=False)

    def travel(
        self, sources: Sequence[Place], targets: Sequence[Place], *, local: datetime
    ) -> Travel:
        """As the module's `travel`."""
        asked = sources[: settings.ROUTING_MAX_SOURCES]
        if not self._seats.acquire(blocking=False):
            return self._without(sources, targets, local, "routing_busy")
        try:
            if not self._breaker.lets_through():
                return self._without(sources, targets, local, "routing_unavailable", "skipped")
            table = self._ask(asked, targets)
        except _FailedError as error:
            self._breaker.failed()
            logger.warning("%s failed: %s", self._engine.name, error)
            return self._without(sources, targets, local, "routing_unavailable", "failed")
        except _RefusedError as error:
            self._breaker.succeeded()
            logger.warning("%s refused a table: %s", self._engine.name, error)
            return self._without(sources, targets, local, "routing_refused", "refused")
        finally:
            self._seats.release()
        self._breaker.succeeded()
        measures.ROUTING.labels("answered").inc()
        legs = [
            [
                leg or _with_warning(by_air(source, target, local=local), "no_route")
                for leg, target in zip(row, targets, strict=True)
            ]
            for row, source in zip(table, asked, strict=True)
        ]
        rest = table_by_air([*sources[len(asked) :]], [*targets], local=local)
        legs += [[_with_warning(leg, "not_routed") for leg in row] for row in rest]
        return Travel(legs)

    def _without(
        self,
        sources: Sequence[Place],
        targets: Sequence[Place],
        local: datetime,
        warning: str,
        outcome: str = "busy",
    ) -> Travel:
        measures.ROUTING.labels(outcome).inc()
        return Travel(table_by_air([*sources], [*targets], local=local), (warning,))

    def _ask(self, sources: Sequence[Place], targets: Sequence[Place]) -> Table:
        """The whole table, part by part."""
        deadline = self._clock() + settings.ROUTING_DEADLINE_SECONDS
        rows: Table = []
        for some in _parts(sources):
            pieces = [self._ask_part(some, others, deadline) for others in _parts(targets)]
            rows += [
                [leg for piece in pieces for leg in piece[index]] for index in range(len(some))
            ]
        return rows

    def _ask_part(
        self, sources: Sequence[Place], targets: Sequence[Place], deadline: float
    ) -> Table:
        try:
            with measures.ROUTING_SECONDS.time():
                status, body = self._fetch(self._engine.request(sources, targets), deadline)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _FailedError(repr(error)) from error
        if status == httpx.codes.BAD_REQUEST:
            raise _RefusedError(repr(body[:200]))
        if status != httpx.codes.OK:
            raise _FailedError(f"its answer has status {status}")
        try:
            table = self._engine.read(body)
        except (msgspec.MsgspecError, ValueError) as error:
            raise _FailedError(f"its answer cannot be read: {error}") from error
        if len(table) != len(sources) or any(len(row) != len(targets) for row in table):
            raise _FailedError(f"its table is not {len(sources)} × {len(targets)}")
        return table

    def _fetch(self, request: httpx.Request, deadline: float) -> tuple[int, bytes]:
        """Status and body. httpx bounds each wait and not their sum, so that is done here."""
        response = self._client.send(request, stream=True)
        pieces, size = [], 0
        try:
            for piece in response.iter_bytes():
                size += len(piece)
                pieces.append(piece)
                if size > settings.ROUTING_MAX_ANSWER_BYTES:
                    raise _FailedError(f"its answer has more than {size - len(piece)} bytes")
                if self._clock() > deadline:
                    raise _FailedError("its answer takes too long")
        finally:
            response.close()
        if self._clock() > deadline:
            raise _FailedError("its answer takes too long")
        return response.status_code, b"".join(pieces)


def _parts(places: Sequence[Place]) -> Iterator[Sequence[Place]]:
    size = settings.ROUTING_PART_PLACES
    return (places[begin : begin + size] for begin in range(0, len(places), size))


def _with_warning(leg: Leg, warning: str) -> Leg:
    return msgspec.structs.replace(leg, warnings=(*leg.warnings, warning))
