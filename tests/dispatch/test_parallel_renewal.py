"""Renewals of one phone in the same moment, each on a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection

from dispatch.actions import sign_in
from dispatch.models import PhoneSession
from tenants.context import company_scope
from tests.dispatch.test_phone_sessions import claims, me, renew
from tests.world import Persona

# Long enough for eight threads to read, were there no lock.
LOCK_SECONDS = 0.5


@pytest.mark.usefixtures("committed")
def test_many_renewals_at_once_lock_nobody_out(
    tokens_of: Callable[..., dict[str, str]], acme: Persona
) -> None:
    """A phone whose app, service worker and upload renew in the same moment."""
    first = tokens_of(acme)
    count = 8
    together, all_have_read = threading.Barrier(count), threading.Barrier(count)
    open_session = sign_in._open_session

    def read_and_wait(read: Any) -> PhoneSession:
        """Hold the first one back until all have read, which the row's lock must prevent."""
        session = open_session(read)
        with suppress(threading.BrokenBarrierError):
            all_have_read.wait(LOCK_SECONDS)
        return session

    def one(_: int) -> Any:
        try:
            together.wait(10)
            return renew(acme, first["refresh"])
        finally:
            connection.close()

    with (
        patch.object(sign_in, "_open_session", read_and_wait),
        ThreadPoolExecutor(count) as threads,
    ):
        responses = list(threads.map(one, range(count)))
    assert [response.status_code for response in responses] == [200] * count
    pairs = [response.json() for response in responses]
    assert len({claims(pair["refresh"])["jti"] for pair in pairs}) == 1
    assert [me(acme, pair["access"]) for pair in pairs] == [(200, None)] * count
    assert renew(acme, pairs[-1]["refresh"]).status_code == 200
    with company_scope(acme.schema):
        assert PhoneSession.objects.get().revoked_at is None
