"""A small stand-in for Sera's API on loopback, with faults on request."""

import asyncio
import heapq
import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from demo.clock import Clock

START = datetime(2026, 11, 23, 8, 0, 0, 123456, UTC)
# Turns of the event loop after which no task has anything left to do but wait.
TURNS = 25


class FakeClock(Clock):
    """For one task: time passes only by its sleeping; remembers each sleep."""

    def __init__(self) -> None:
        self.time = START
        self.sleeps: list[float] = []

    def now(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.time += timedelta(seconds=max(seconds, 0))
        await asyncio.sleep(0)


class SteppedClock(Clock):
    """For several tasks: ``step`` goes on to the next end of a sleep, once nothing else is to do.

    ``in_flight`` is raised while a request is on its way: time stands still until its answer, so
    what happens does not depend on how fast the machine is.
    """

    def __init__(self) -> None:
        self.time = START
        self.in_flight = 0
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self._count += 1
        ended = asyncio.get_running_loop().create_future()
        wake = self.time + timedelta(seconds=max(seconds, 0))
        heapq.heappush(self._sleepers, (wake, self._count, ended))
        await ended

    async def step(self) -> None:
        """Let all tasks run until they sleep, then end the sleep that is due first."""
        quiet = 0
        while quiet < TURNS:
            await asyncio.sleep(0 if self.in_flight == 0 else 0.001)
            quiet = quiet + 1 if self.in_flight == 0 else 0
        if self._sleepers:
            wake, _, ended = heapq.heappop(self._sleepers)
            self.time = max(self.time, wake)
            if not ended.done():
                ended.set_result(None)


@dataclass(frozen=True, slots=True)
class Request:
    """What the server was asked."""

    method: str
    path: str
    host: str
    token: str
    body: Any


@dataclass
class FakeSera:
    """Use as a context manager; ``url`` is the company's address."""

    password: str = "demo-sera"
    me: dict[str, Any] = field(
        default_factory=lambda: {"role": "technician", "technician": {"id": 1}}
    )
    jobs: list[dict[str, Any]] = field(default_factory=list)
    # Instead of the newest stored fix.
    positions: list[dict[str, Any]] = field(default_factory=list)
    # Statuses (and headers) with which the next posts of fixes fail, before they are looked at.
    faults: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    # The next answer to an array leaves its last result out.
    forgetful: bool = False
    most_items: int = 1000
    requests: list[Request] = field(default_factory=list)
    stored: dict[str, dict[str, Any]] = field(default_factory=dict)
    access: str = ""
    refresh: str = ""
    issued: int = 0

    def __enter__(self) -> "FakeSera":
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # one packet per answer, else each waits 40 ms for an acknowledgement

            def do_GET(self) -> None:
                self._answer(None)

            def do_POST(self) -> None:
                size = int(self.headers.get("Content-Length", 0))
                self._answer(json.loads(self.rfile.read(size)))

            def _answer(self, body: Any) -> None:
                status, headers, answer = fake.answer(
                    Request(
                        self.command,
                        self.path,
                        self.headers["Host"],
                        self.headers.get("Authorization", "").removeprefix("Bearer "),
                        body,
                    )
                )
                content = json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://acme.localhost:{self.port}"

    def expire(self) -> None:
        """The access token is over; the refresh token still works, once."""
        self.access = "expired"

    def posts(self) -> list[Request]:
        """The posts of fixes, in order."""
        return [r for r in self.requests if r.path == "/api/v1/fixes/"]

    def answer(self, request: Request) -> tuple[int, dict[str, str], Any]:
        self.requests.append(request)
        if request.path == "/api/v1/auth/token/":
            if request.body["password"] != self.password:
                return 401, {}, {"detail": "wrong e-mail or password", "code": "no"}
            return 200, {}, self._pair()
        if request.path == "/api/v1/auth/token/refresh/":
            if request.body["refresh"] != self.refresh:
                return 401, {}, {"detail": "this token was used before"}
            return 200, {}, self._pair()
        if request.token != self.access:
            return 401, {}, {"detail": "the token has expired"}
        if request.path == "/api/v1/fixes/":
            return self._fixes(request.body)
        pages = {
            "/api/v1/me/": self.me,
            "/api/v1/jobs/": {"results": self.jobs},
            "/api/v1/positions/": {"results": self.positions or self._latest()},
        }
        return 200, {}, pages[request.path]

    def _latest(self) -> list[dict[str, Any]]:
        newest = max((fix["recorded_at"] for fix in self.stored.values()), default=None)
        return [] if newest is None else [{"technician_id": 1, "recorded_at": newest}]

    def _pair(self) -> dict[str, str]:
        self.issued += 1
        self.access, self.refresh = f"access-{self.issued}", f"refresh-{self.issued}"
        return {"access": self.access, "refresh": self.refresh}

    def _fixes(self, body: Any) -> tuple[int, dict[str, str], Any]:
        if self.faults:
            status, headers = self.faults.pop(0)
            return status, headers, {"detail": f"fault {status}"}
        if isinstance(body, dict):
            result = self._fix(body)
            if "errors" in result:
                return 400, {}, {"errors": result["errors"]}
            return (201 if result["status"] == "stored" else 200), {}, result
        if len(body) > self.most_items:
            return 413, {}, {"errors": [{"field": "body", "value": len(body), "message": "long"}]}
        results = [{"index": index, **self._fix(fix)} for index, fix in enumerate(body)]
        if self.forgetful:
            results.pop()
        return 200, {}, {"results": results}

    def _fix(self, fix: dict[str, Any]) -> dict[str, Any]:
        if not -90 <= fix["lat"] <= 90:
            error = {"field": "lat", "value": fix["lat"], "message": "must be from -90 to 90"}
            return {"id": fix["id"], "status": "rejected", "errors": [error]}
        status = "duplicate" if fix["id"] in self.stored else "stored"
        self.stored.setdefault(fix["id"], fix)
        return {"id": fix["id"], "status": status}
