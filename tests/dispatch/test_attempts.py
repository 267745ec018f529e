"""The bound on guessing passwords."""

from __future__ import annotations

import pytest

from dispatch.attempts import TooManyAttemptsError, count_attempt, forget_attempts
from tenants.context import company_scope
from tests.world import Persona


def test_many_addresses_together_are_bounded_too(acme: Persona, settings: object) -> None:
    settings.SIGN_IN_ATTEMPTS_EVERYWHERE = 12  # type: ignore[attr-defined]
    with company_scope("acme"):
        for number in range(12):
            count_attempt(email="a@b.test", address=f"10.0.0.{number}")
        with pytest.raises(TooManyAttemptsError, match="wait 5 minutes"):
            count_attempt(email="a@b.test", address="10.0.1.1")
        count_attempt(email="other@b.test", address="10.0.1.1")
    with company_scope("globex"):
        count_attempt(email="a@b.test", address="10.0.0.1")


def test_one_address_is_bounded_first_and_a_success_opens_it_again(acme: Persona) -> None:
    with company_scope("acme"):
        for _ in range(10):
            count_attempt(email="a@b.test", address="10.0.0.1")
        with pytest.raises(TooManyAttemptsError):
            count_attempt(email="A@b.test ", address="10.0.0.1")
        count_attempt(email="a@b.test", address="10.0.0.2")
        forget_attempts(email="a@b.test", address="10.0.0.1")
        count_attempt(email="a@b.test", address="10.0.0.1")
