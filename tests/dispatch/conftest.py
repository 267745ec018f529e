"""Reading pages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def page_data() -> Callable[[str], dict[str, Any]]:
    """The JSON that a page carries for its script."""

    def read(page: str) -> dict[str, Any]:
        found = re.findall(
            r'<script id="page-data" type="application/json">(.*?)</script>', page, re.DOTALL
        )
        assert len(found) == 1
        return json.loads(found[0])

    return read
