"""From a phone's POST to the dispatcher's screen, in a real browser."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.live import WebServer
from tests.world import Persona

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

# A marker is seen within milliseconds; CI's two cores draw WebGL in software, and time is no test.
SEEN_MS = 10_000


def post_fix(
    phone: httpx.Client, lat: float, lon: float, *, age_seconds: int = 0
) -> dict[str, Any]:
    fix = {
        "id": str(uuid.uuid4()),
        "recorded_at": (datetime.now(UTC) - timedelta(seconds=age_seconds)).isoformat(),
        "lat": lat,
        "lon": lon,
        "accuracy": 5.0,
    }
    answer = phone.post("/api/v1/fixes/", json=fix)
    assert answer.status_code == 201, answer.text
    return fix


def targets(page: Page) -> dict[str, Any]:
    """Name → [lon, lat] of the newest known position."""
    found: dict[str, Any] = page.evaluate(
        "Object.fromEntries(window.__sera.technicians().map("
        "t => [t.name, t.target && [t.target.lon, t.target.lat]]))"
    )
    return found


def wait_for_target(page: Page, technician: int, lon: float, lat: float) -> None:
    page.wait_for_function(
        """([id, lon, lat]) => {
            const t = window.__sera.technicians().find(t => t.id === id)
            return t.target?.lon === lon && t.target?.lat === lat
        }""",
        arg=[technician, lon, lat],
        timeout=SEEN_MS,
    )


def wait_until_drawn(page: Page, technician: int, lon: float, lat: float) -> None:
    """Until the marker has arrived there and MapLibre has it in view."""
    page.wait_for_function(
        """([id, lon, lat]) => {
            const t = window.__sera.technicians().find(t => t.id === id)
            return t.displayed !== null
                && Math.abs(t.displayed.lon - lon) < 1e-7
                && Math.abs(t.displayed.lat - lat) < 1e-7
        }""",
        arg=[technician, lon, lat],
        timeout=SEEN_MS,
    )


def test_a_fix_moves_the_marker_of_its_own_company_and_of_no_other(
    server: WebServer, acme: Persona, globex: Persona, sign_in: Callable[..., Page]
) -> None:
    acme_page, globex_page = sign_in(acme), sign_in(globex)
    tess, will = f"Tess {acme.marker}", f"Will {acme.marker}"
    assert targets(acme_page) == {tess: None, will: None}
    phone = server.phone_of(acme)

    post_fix(phone, 60.5310, 26.9300)
    wait_until_drawn(acme_page, acme.technician_id, 26.93, 60.531)
    post_fix(phone, 60.5320, 26.9320)
    wait_until_drawn(acme_page, acme.technician_id, 26.932, 60.532)
    assert targets(acme_page) == {tess: [26.932, 60.532], will: None}

    # Globex's first news is its own: what came before would have come earlier on this socket.
    post_fix(server.phone_of(globex), 60.17, 24.94)
    wait_for_target(globex_page, globex.technician_id, 24.94, 60.17)
    assert targets(globex_page) == {
        f"Tess {globex.marker}": [24.94, 60.17],
        f"Will {globex.marker}": None,
    }
    assert acme.marker not in globex_page.content()
    assert targets(acme_page)[tess] == [26.932, 60.532]


def test_a_late_fix_moves_nothing_and_a_reload_shows_the_same(
    server: WebServer, acme: Persona, sign_in: Callable[..., Page]
) -> None:
    page = sign_in(acme)
    phone = server.phone_of(acme)
    post_fix(phone, 60.5320, 26.9320)
    wait_for_target(page, 1, 26.932, 60.532)
    late = {
        "id": str(uuid.uuid4()),
        "recorded_at": "2026-11-20T10:00:00Z",
        "lat": 10.0,
        "lon": 10.0,
    }
    assert phone.post("/api/v1/fixes/", json=late).json()["status"] == "stored"
    second = server.phone_of(acme, acme.second_technician)
    post_fix(second, 60.5330, 26.9330)
    wait_for_target(page, 2, 26.933, 60.533)
    before = targets(page)
    assert before[f"Tess {acme.marker}"] == [26.932, 60.532]
    page.reload()
    page.wait_for_function("window.__sera?.connection() === 'live'")
    assert targets(page) == before


def test_choosing_in_the_list_chooses_on_the_map_and_back(
    server: WebServer, acme: Persona, sign_in: Callable[..., Page]
) -> None:
    page = sign_in(acme)
    post_fix(server.phone_of(acme), 60.5320, 26.9320)
    wait_until_drawn(page, 1, 26.932, 60.532)
    page.get_by_role("option", name=f"Tess {acme.marker}").click()
    expect(page).to_have_url(server.url_of(acme, "/?technician=1"))
    page.keyboard.press("Escape")
    expect(page).to_have_url(server.url_of(acme, "/"))
    page.wait_for_function("window.__sera.map.isMoving() === false")
    box = page.locator("canvas").first.bounding_box()
    assert box is not None
    x, y = page.evaluate(
        "(() => { const p = window.__sera.map.project([26.932, 60.532]); return [p.x, p.y] })()"
    )
    page.mouse.click(box["x"] + x, box["y"] + y)
    expect(page).to_have_url(server.url_of(acme, "/?technician=1"))
    expect(page.get_by_role("option", selected=True)).to_contain_text("Tess")


def test_the_page_comes_back_by_itself_when_the_server_was_away(
    server: WebServer, acme: Persona, sign_in: Callable[..., Page]
) -> None:
    """The banner says so meanwhile; what happened meanwhile is on the map afterwards."""
    page = sign_in(acme)
    page.wait_for_function("window.__sera.map?.getLayer('sera-badges')")
    page.context.set_offline(True)  # also ends open sockets
    expect(page.get_by_role("status").filter(has_text="econnecting")).to_be_visible(timeout=20_000)
    post_fix(server.phone_of(acme), 60.5320, 26.9320)
    page.context.set_offline(False)
    page.wait_for_function("window.__sera.connection() === 'live'", timeout=30_000)
    wait_for_target(page, 1, 26.932, 60.532)


def test_open_maps_follow_the_ages_that_the_owner_chooses(
    server: WebServer, acme: Persona, globex: Persona, sign_in: Callable[..., Page]
) -> None:
    acme_page, globex_page = sign_in(acme), sign_in(globex)
    for persona, page in ((acme, acme_page), (globex, globex_page)):
        post_fix(server.phone_of(persona), 60.5310, 26.9300, age_seconds=3600)
        row = page.get_by_role("option", name=f"Tess {persona.marker}")
        expect(row).to_contain_text("Lost", timeout=SEEN_MS)
    ages = {"delayed_seconds": 60, "stale_seconds": 7200, "lost_seconds": 86_400}
    answer = server.phone_of(acme, acme.owner).patch("/api/v1/policy/", json=ages)
    assert answer.status_code == 200, answer.text
    row = acme_page.get_by_role("option", name=f"Tess {acme.marker}")
    expect(row).to_contain_text("Delayed", timeout=SEEN_MS)
    row = globex_page.get_by_role("option", name=f"Tess {globex.marker}")
    expect(row).to_contain_text("Lost")
