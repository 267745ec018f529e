"""What README tells people to do does what it says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gpxpy
import httpx
import pytest
from playwright.sync_api import Page

from tests.e2e.test_live_map import targets, wait_for_target
from tests.live import ROOT, WebServer
from tests.world import PASSWORD, Persona

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

TRACK = ROOT / "demo" / "tracks" / "karhula.gpx"


def readme_block(containing: str) -> str:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (block,) = [block for block in blocks if containing in block]
    return str(block)


def test_the_readme_s_curl_moves_a_marker(
    server: WebServer, acme: Persona, sign_in: Callable[..., Page]
) -> None:
    page = sign_in(acme)
    script = readme_block("/api/v1/fixes/")
    for told, ours in (
        ("http://acme.localhost:8000", f"http://{acme.host}:{server.port}"),
        ("spare.phone@acme.test", acme.technician),
        ("demo-sera", PASSWORD),
    ):
        assert told in script
        script = script.replace(told, ours)
    # Not every system's resolver knows that *.localhost is this machine.
    curl = f'curl() {{ command curl --resolve "*:{server.port}:127.0.0.1" "$@"; }}\n'
    ended = subprocess.run(
        ["bash", "-euc", curl + script], capture_output=True, text=True, timeout=30
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["status"] == "stored"
    wait_for_target(page, acme.technician_id, 26.94, 60.5325)


def replay(server: WebServer, persona: Persona, file: Path, *arguments: str) -> str:
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "demo.replay", str(file), "--company", persona.schema),
            *("--technician", persona.technician, "--password", PASSWORD),
            *("--port", str(server.port), *arguments),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def history(client: httpx.Client, technician: int) -> list[dict[str, Any]]:
    """All pages of one technician's history."""
    found: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        query: dict[str, Any] = {"technician": technician, "limit": 100}
        page = client.get("/api/v1/fixes/", params=query | ({"after": after} if after else {}))
        assert page.status_code == 200, page.text
        found += page.json()["results"]
        after = page.json()["next"]
    return found


def test_a_replayed_track_is_on_the_map_and_in_history_as_in_the_file(
    server: WebServer, acme: Persona, globex: Persona, sign_in: Callable[..., Page]
) -> None:
    page = sign_in(acme)
    points = list(gpxpy.parse(TRACK.read_text()).walk(only_points=True))
    expected = [
        (p.time.astimezone(UTC), p.latitude, p.longitude) for p in points if p.time is not None
    ]
    assert len(expected) == len(points) > 100

    replay(server, acme, TRACK, "--speed", "max")
    moment, lat, lon = expected[-1]
    wait_for_target(page, acme.technician_id, lon, lat)
    assert targets(page)[f"Tess {acme.marker}"] == [lon, lat]
    dispatcher = server.phone_of(acme, acme.dispatcher)
    stored = [
        (datetime.fromisoformat(fix["recorded_at"]), fix["lat"], fix["lon"])
        for fix in history(dispatcher, acme.technician_id)
    ]
    assert stored == expected

    said = replay(server, acme, TRACK, "--speed", "max")
    count = len(expected)
    assert f"{count} points: 0 stored, {count} were there already, 0 rejected" in said
    assert len(history(dispatcher, acme.technician_id)) == len(expected)
    assert history(server.phone_of(globex, globex.dispatcher), globex.technician_id) == []
    assert moment == max(time for time, _, _ in expected)
