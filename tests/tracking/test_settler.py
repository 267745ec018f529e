"""Settling tracks behind uploads."""

from __future__ import annotations

from typing import Any

import pytest

from tracking.actions import settler
from tracking.actions.settler import Settler


async def test_a_long_track_lets_others_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {1: 3, 2: 1}
    taken: list[int] = []

    async def part(schema: str, act: Any, *, technician_id: int) -> tuple[int, bool]:
        taken.append(technician_id)
        parts[technician_id] -= 1
        return 1, parts[technician_id] > 0

    monkeypatch.setattr(settler, "run_in_tenant", part)
    settling = Settler()
    for technician in parts:
        settling.add("acme", technician)
    assert settling._task is not None
    await settling._task
    assert taken == [1, 2, 1, 1]
