"""A routing engine for the product to ask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.tracking.engines import FakeEngine, running_engine
from tracking.eta import routing


@pytest.fixture(autouse=True)
def _no_router_yet() -> None:
    """Nothing is known of an engine that had the same port."""
    routing._router.cache_clear()


@pytest.fixture(params=["osrm", "valhalla"])
def engine(request: pytest.FixtureRequest, settings: Any) -> Iterator[FakeEngine]:
    """An engine that the settings name; one of each kind."""
    with running_engine(request.param) as running:
        settings.ROUTING_ENGINE, settings.ROUTING_URL = running.kind, running.url
        yield running
