"""One item on its way in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from dispatch.errors import BadInputError
from tracking.fixes import decode_body, read_fix

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
GOOD = {
    "id": "4c1c8be6-4f2e-4d55-9f52-0b8f3f1a6f10",
    "recorded_at": "2026-11-22T10:00:00Z",
    "lat": 1.0,
    "lon": 2.0,
}


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("2026-11-22T10:00:00+16:00", "2026-11-21T18:00:00+00:00"),
        ("2026-11-22T10:00:00-23:59", "2026-11-23T09:59:00+00:00"),
        ("2026-11-22T10:00:00.123456+05:30", "2026-11-22T04:30:00.123456+00:00"),
    ],
)
def test_any_offset_is_stored_as_utc(given: str, stored: str) -> None:
    fix = read_fix({**GOOD, "recorded_at": given}, technician_id=1, now=NOW)
    assert fix.recorded_at.isoformat() == stored


def test_unknown_keys_are_ignored_whatever_they_are() -> None:
    (item,) = decode_body(
        b'[{"id": "4c1c8be6-4f2e-4d55-9f52-0b8f3f1a6f10", "recorded_at": "2026-11-22T10:00:00Z",'
        b' "lat": 1.0, "lon": 2.0, "\\ud800": 1, "nested": {"a": [1]}}]'
    )
    assert read_fix(item, technician_id=1, now=NOW).lat == 1.0


@pytest.mark.parametrize("name", ["technician", "technician_id"])
@pytest.mark.parametrize("value", [2, "1", None, 99999])
def test_another_technician_than_the_token_s_is_refused(name: str, value: Any) -> None:
    with pytest.raises(BadInputError) as caught:
        read_fix({**GOOD, name: value}, technician_id=1, now=NOW)
    (error,) = caught.value.errors
    assert (error.field, error.value) == (name, value)
    assert error.message == "must be 1, the token's, or absent"
    assert read_fix({**GOOD, name: 1}, technician_id=1, now=NOW).lat == 1.0
