"""Renewals of one phone in the same moment, each on a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from dispatch.models import PhoneSession
from tenants.context import company_scope
from tests.dispatch.test_phone_sessions import claims, me, renew
from tests.world import Persona


@pytest.mark.usefixtures("committed")
def test_many_renewals_at_once_lock_nobody_out(
    tokens_of: Callable[..., dict[str, str]], acme: Persona
) -> None:
    """A phone whose app, service worker and upload renew in the same moment."""
    first = tokens_of(acme)
    count = 8
    together = threading.Barrier(count)

    def one(_: int) -> Any:
        try:
            together.wait(10)
            return renew(acme, first["refresh"])
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as threads:
        responses = list(threads.map(one, range(count)))
    assert [response.status_code for response in responses] == [200] * count
    pairs = [response.json() for response in responses]
    assert len({claims(pair["refresh"])["jti"] for pair in pairs}) == 1
    assert [me(acme, pair["access"]) for pair in pairs] == [(200, None)] * count
    assert renew(acme, pairs[-1]["refresh"]).status_code == 200
    with company_scope(acme.schema):
        assert PhoneSession.objects.get().revoked_at is None
