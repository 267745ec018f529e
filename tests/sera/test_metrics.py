"""`/metrics`: who may read it, what it says, and that every line of it is explained."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sera.env import ROOT, Env
from sera.metrics import Metrics
from tests.live import SERVERS, WebServer, access_token, frames, subscribe
from tests.world import Persona

TOKEN = "a-token-of-24-characters"
HERE = ("127.0.0.1", 40000)
BEARER = f"Bearer {TOKEN}".encode()

Headers = Iterable[tuple[bytes, bytes]]
Answer = tuple[int, dict[bytes, bytes], bytes]


PASSED_ON: Answer = (0, {}, b"")
REFUSAL: Answer = (
    404,
    {b"content-type": b"text/plain", b"content-length": b"0", b"cache-control": b"no-store"},
    b"",
)


class Door:
    """The middleware before an application that says where it was called."""

    def __init__(self, token: str = "") -> None:
        self.passed: list[str] = []
        self._metrics = Metrics(self._application, token=token)

    async def _application(self, scope: object, receive: object, send: object) -> None:
        self.passed.append(scope["path"])  # type: ignore[index]

    async def ask(
        self,
        path: str = "/metrics",
        *,
        method: str = "GET",
        client: tuple[str, int] | None = HERE,
        headers: Headers = (),
    ) -> Answer:
        sent: list[dict[str, object]] = []

        async def send(event: dict[str, object]) -> None:
            sent.append(event)

        scope = {"type": "http", "path": path, "method": method, "client": client}
        scope["headers"] = [(b"host", b"nobody.example"), *headers]
        await self._metrics(scope, None, send)  # type: ignore[arg-type]
        if not sent:
            return PASSED_ON
        start, body = sent
        return start["status"], dict(start["headers"]), body["body"]  # type: ignore[return-value, call-overload]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
async def test_this_machine_reads_without_a_token(address: str) -> None:
    status, headers, body = await Door().ask(client=(address, 1))
    assert (status, headers[b"content-type"]) == (200, b"text/plain; version=0.0.4; charset=utf-8")
    assert headers[b"content-length"] == str(len(body)).encode()
    assert b"\ncable_sockets " in body
    assert b"\nprocess_resident_memory_bytes " in body


@pytest.mark.parametrize(
    "client",
    [
        ("10.0.0.7", 1),
        ("::ffff:10.0.0.7", 1),
        ("0.0.0.0", 1),
        ("2001:db8::1", 1),
        ("localhost", 1),
        ("", 0),
        None,  # a Unix socket, most often a proxy's
    ],
)
async def test_nobody_else_does(client: tuple[str, int] | None) -> None:
    assert await Door().ask(client=client) == REFUSAL
    # Nor by claiming to be here, or with a token where none is set.
    headers = [(b"x-forwarded-for", b"127.0.0.1"), (b"authorization", b"Bearer ")]
    assert await Door().ask(client=client, headers=headers) == REFUSAL


@pytest.mark.parametrize(
    "name",
    [
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-original-forwarded-for",
        "x-real-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "via",
    ],
)
async def test_nobody_who_came_through_a_proxy_of_this_machine(name: str) -> None:
    assert await Door().ask(headers=[(name.encode(), b"127.0.0.1")]) == REFUSAL


async def test_the_token_reads_from_anywhere() -> None:
    door = Door(TOKEN)
    for value in (BEARER, BEARER.replace(b"Bearer", b"bearer")):
        headers = [(b"authorization", value), (b"x-forwarded-for", b"10.0.0.7")]
        assert (await door.ask(client=("10.0.0.7", 1), headers=headers))[0] == 200
        assert (await door.ask(client=None, headers=headers))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"authorization", b"Bearer")],
        [(b"authorization", b"Bearer ")],
        [(b"authorization", BEARER[:-1])],
        [(b"authorization", BEARER + b"x")],
        [(b"authorization", BEARER.replace(b"Bearer", b"Basic"))],
        [(b"authorization", TOKEN.encode())],
        [(b"authorization", "Bearer tökens-of-24-characters".encode())],
        [(b"authorization", BEARER), (b"authorization", b"Bearer other")],
        [(b"x-authorization", BEARER)],
    ],
)
async def test_with_a_token_nothing_else_does(headers: Headers) -> None:
    assert await Door(TOKEN).ask(headers=headers) == REFUSAL


async def test_only_this_path_and_only_to_read() -> None:
    door = Door()
    for method in ("POST", "HEAD", "OPTIONS", "DELETE"):
        assert await door.ask(method=method) == REFUSAL
    for path in ("/", "/metrics/", "/metricsx", "/Metrics", "/api/metrics"):
        assert await door.ask(path) == PASSED_ON
    assert door.passed == ["/", "/metrics/", "/metricsx", "/Metrics", "/api/metrics"]


async def test_openmetrics_for_who_asks_for_it() -> None:
    accept = [(b"accept", b"application/openmetrics-text;version=1.0.0,text/plain;q=0.5")]
    _, headers, body = await Door().ask(headers=accept)
    assert headers[b"content-type"].startswith(b"application/openmetrics-text; version=1.0.0")
    assert body.endswith(b"# EOF\n")


async def test_docs_explain_each_metric_and_no_other() -> None:
    _, _, body = await Door().ask()
    exported = re.findall(r"^# HELP (\S+)", body.decode(), re.MULTILINE)
    rows = re.findall(
        r"^\| `(\w+)` \|(.*)\|$", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE
    )
    assert sorted(name for name, _ in rows) == sorted(exported)
    for name, cells in rows:
        assert len([cell for cell in cells.split("|") if cell.strip()]) == 3, name


@pytest.mark.parametrize("token", ["short", "x" * 15, "with space " * 3, "tökens-of-24-characters"])
def test_a_token_that_is_easy_to_guess_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="must be 16 or more visible ASCII characters"):
        Env(METRICS_TOKEN=token)  # type: ignore[call-arg]


@pytest.mark.parametrize("token", ["", "x" * 16])
def test_none_or_a_long_token_is_taken(token: str) -> None:
    env = Env(METRICS_TOKEN=token)  # type: ignore[call-arg]
    assert token == env.METRICS_TOKEN


def samples(text: str) -> dict[str, float]:
    """Of those without labels."""
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.labels
    }


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.usefixtures("committed")
def test_two_companies_are_counted_and_not_named(
    kind: str, acme: Persona, globex: Persona, database_url: str, tmp_path: Path
) -> None:
    server = WebServer(tmp_path / "log", kind=kind, environment={"DATABASE_URL": database_url})
    server.start()
    url = f"http://127.0.0.1:{server.port}/metrics"
    try:
        tokens = [access_token(server.phone_of(one, one.dispatcher)) for one in (acme, globex)]
        with server.cable_of(acme, tokens[0]) as one, server.cable_of(globex, tokens[1]) as other:
            for socket in (one, other):
                assert frames(socket, 1)[0]["type"] == "welcome"
            subscribe(one, "MapChannel")
            assert frames(one, 1)[0]["type"] == "confirm_subscription"
            first = httpx.get(url)
            # On any host, also one that is nobody's.
            second = httpx.get(url, headers={"Host": "nobody.example"})
            for answer in (first, second):
                assert answer.status_code == 200
                assert answer.headers["content-type"].startswith("text/plain; version=")
                found = samples(answer.text)
                assert (found["cable_sockets"], found["cable_identities"]) == (2, 2)
                # The map's positions, and its policy.
                assert (found["cable_streams"], found["cable_draining"]) == (2, 0)
                assert found["process_resident_memory_bytes"] > 1e6
                for persona in (acme, globex):
                    for word in (persona.schema, persona.marker, persona.dispatcher):
                        assert word.lower() not in answer.text.lower()
            before, after = samples(first.text), samples(second.text)
            assert [
                name
                for name in before
                if name.endswith(("_total", "_count", "_sum")) and after[name] < before[name]
            ] == []
            for name in ("X-Forwarded-For", "X-Real-IP", "Forwarded"):
                refused = httpx.get(url, headers={name: "127.0.0.1"})
                assert (refused.status_code, refused.content) == (404, b"")
    finally:
        server.stop()


@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_with_a_token(kind: str, database_url: str, tmp_path: Path) -> None:
    environment = {"DATABASE_URL": database_url, "METRICS_TOKEN": TOKEN}
    server = WebServer(tmp_path / "log", kind=kind, environment=environment)
    server.start()
    url = f"http://127.0.0.1:{server.port}/metrics"
    try:
        for headers, status in (
            ({}, 404),
            ({"Authorization": "Bearer of-something-else"}, 404),
            ({"Authorization": f"Bearer {TOKEN}", "X-Forwarded-For": "10.0.0.7"}, 200),
        ):
            answer = httpx.get(url, headers=headers)
            assert (answer.status_code, b"cable_sockets" in answer.content) == (
                status,
                status == 200,
            )
    finally:
        server.stop()
