"""A phone as Sera's API sees it: it logs in, keeps its fixes until they are confirmed, retries."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from types import TracebackType
from typing import Any, TypeVar
from uuid import UUID

import httpx

from demo.backoff import Backoff
from demo.clock import Clock
from demo.fix import Fix
from demo.site import Site

T = TypeVar("T")

# The API takes 1000 items and 1 MiB; a fix is about 300 bytes, so this leaves room on both sides.
BATCH_LIMIT = 500
# A working day at one fix every two seconds is 14,400; beyond it the oldest are given up.
QUEUE_LIMIT = 20_000
# How much of an unexpected answer an error message quotes.
QUOTED = 200


class PhoneError(Exception):
    """The server refuses in a way that trying again does not change."""


class UnavailableError(Exception):
    """The server cannot be reached or says that it is busy; trying again later makes sense."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Rejection:
    """A fix that the server refused, with its reasons as text."""

    fix: Fix
    reasons: str


@dataclass(slots=True)
class Delivery:
    """What became of the fixes sent so far."""

    stored: int = 0
    duplicate: int = 0
    rejected: list[Rejection] = field(default_factory=list)

    @property
    def total(self) -> int:
        """All fixes that the server answered for."""
        return self.stored + self.duplicate + len(self.rejected)


class Phone:
    """One technician's phone; use as ``async with``. Not for use from several threads."""

    def __init__(
        self,
        *,
        site: Site,
        email: str,
        password: str,
        clock: Clock,
        rng: random.Random,
        backoff: Backoff,
        log: Callable[[str], None],
    ) -> None:
        self.site = site
        self.email = email
        self.delivery = Delivery()
        self.dropped = 0
        self._password = password
        self._clock = clock
        self._rng = rng
        self._backoff = backoff
        self._log = log
        self._client = site.open()
        self._access = ""
        self._refresh = ""
        self._queue: dict[UUID, Fix] = {}
        self._batch_limit = BATCH_LIMIT
        self._token_lock = asyncio.Lock()
        self._upload_lock = asyncio.Lock()

    async def __aenter__(self) -> "Phone":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    @property
    def waiting(self) -> int:
        """Fixes recorded and not confirmed yet."""
        return len(self._queue)

    async def login(self) -> None:
        """Get the first pair of tokens; PhoneError if the server refuses the person."""
        await self._patiently(self._login)

    async def get(self, path: str) -> Any:
        """The decoded answer to a GET, retried while the server is away."""
        response = await self._patiently(lambda: self._call("GET", path))
        if response.status_code != 200:
            raise PhoneError(f"GET {path}: {_described(response)}")
        return _decoded(response)

    def record(self, fix: Fix) -> None:
        """Keep a fix for the next upload; past ``QUEUE_LIMIT`` the oldest makes room."""
        if len(self._queue) >= QUEUE_LIMIT:
            del self._queue[next(iter(self._queue))]
            self.dropped += 1
        self._queue[fix.id] = fix

    def forget(self) -> None:
        """Throw away what waits."""
        self._queue.clear()

    async def upload(self) -> Delivery:
        """Send all waiting fixes, oldest first, and return what became of these.

        A fix leaves the queue only when the server has answered for it, so after any error the
        same ids are sent again. UnavailableError once the backoff's attempts are spent.
        """
        delivery = Delivery()
        async with self._upload_lock:
            while self._queue:
                batch = list(islice(self._queue.values(), self._batch_limit))
                answers = await self._patiently(partial(self._post, batch))
                for fix, (status, reasons) in zip(batch, answers, strict=False):
                    self._queue.pop(fix.id, None)
                    for counted in (delivery, self.delivery):
                        _count(counted, fix, status, reasons)
        return delivery

    async def _post(self, batch: list[Fix]) -> list[tuple[str, str]]:
        """One request; (status, reasons) per fix in order, or [] after "too large"."""
        body: Any = [fix.as_json() for fix in batch]
        single = len(batch) == 1
        response = await self._call("POST", "/api/v1/fixes/", body[0] if single else body)
        if response.status_code == 413 and not single:
            self._batch_limit = max(1, len(batch) // 2)
            return []
        answer = _decoded(response) if response.status_code in (200, 201, 400, 413) else None
        if not isinstance(answer, dict):
            raise PhoneError(f"POST /api/v1/fixes/: {_described(response)}")
        if single and "results" not in answer:
            if response.status_code in (400, 413):
                return [("rejected", _reasons(answer))]
            return [(str(answer.get("status")), "")]
        results = answer.get("results")
        if response.status_code != 200 or not isinstance(results, list):
            raise PhoneError(f"POST /api/v1/fixes/: {_described(response)}")
        by_index = {item["index"]: (str(item["status"]), _reasons(item)) for item in results}
        if sorted(by_index) != list(range(len(batch))):
            raise PhoneError(f"the answer lists {len(by_index)} of {len(batch)} fixes")
        return [by_index[index] for index in range(len(batch))]

    async def _patiently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        failures = 0
        while True:
            try:
                result = await attempt()
            except UnavailableError as error:
                failures += 1
                if self._backoff.spent(failures):
                    raise
                if failures == 1:
                    self._log(f"{error}; trying again")
                await self._clock.sleep(self._backoff.delay(failures, self._rng, error.retry_after))
            else:
                if failures:
                    self._log(f"{self.site.url} answers again")
                return result

    async def _call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """An authenticated request; an expired token is renewed once."""
        if not self._access:
            await self._renew("")
        used = self._access
        response = await self._request(method, path, body, token=used)
        if response.status_code == 401:
            await self._renew(used)
            response = await self._request(method, path, body, token=self._access)
        if response.status_code in (401, 403):
            raise PhoneError(f"{method} {path} as {self.email}: {_described(response)}")
        return response

    async def _renew(self, used: str) -> None:
        """Rotate the pair of tokens, or log in again if the refresh token is refused too."""
        async with self._token_lock:
            if self._access != used:
                return  # another request of this phone has renewed it meanwhile
            if self._refresh:
                response = await self._request(
                    "POST", "/api/v1/auth/token/refresh/", {"refresh": self._refresh}
                )
                if response.status_code == 200:
                    self._keep(response)
                    return
            await self._login()

    async def _login(self) -> None:
        path = "/api/v1/auth/token/"
        response = await self._request(
            "POST", path, {"email": self.email, "password": self._password}
        )
        if response.status_code != 200:
            raise PhoneError(
                f"{self.site.url} refuses the login of {self.email}: {_described(response)}"
            )
        self._keep(response)

    def _keep(self, response: httpx.Response) -> None:
        tokens = _decoded(response)
        try:
            self._access, self._refresh = tokens["access"], tokens["refresh"]
        except (KeyError, TypeError):
            raise PhoneError(f"no pair of tokens: {_described(response)}") from None

    async def _request(
        self, method: str, path: str, body: Any = None, *, token: str = ""
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            response = await self._client.request(method, path, json=body, headers=headers)
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise UnavailableError(f"{self.site.url} does not answer ({reason})") from error
        if response.status_code >= 500 or response.status_code == 429:
            after = response.headers.get("Retry-After", "")
            raise UnavailableError(
                f"{self.site.url} answers {response.status_code}",
                float(after) if after.isdigit() else None,
            )
        return response


def _count(delivery: Delivery, fix: Fix, status: str, reasons: str) -> None:
    if status == "stored":
        delivery.stored += 1
    elif status == "duplicate":
        delivery.duplicate += 1
    else:
        delivery.rejected.append(Rejection(fix, reasons or status))


def _reasons(answer: dict[str, Any]) -> str:
    errors = answer.get("errors") or []
    if not errors:
        return str(answer.get("detail", ""))
    return "; ".join(f"{e.get('field')}={e.get('value')!r}: {e.get('message')}" for e in errors)


def _decoded(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        raise PhoneError(f"the answer is not JSON: {_described(response)}") from None


def _described(response: httpx.Response) -> str:
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = " ".join(response.text.split())[:QUOTED]
    return f"{response.status_code} {detail}".rstrip()
