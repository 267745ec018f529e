"""The first person of a new company, made at the terminal."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from dispatch.models import User
from tenants.context import company_scope
from tests.world import Persona

pytestmark = pytest.mark.django_db


def create(monkeypatch: pytest.MonkeyPatch, password: str, *arguments: str) -> str:
    monkeypatch.setattr("sys.stdin", io.StringIO(password + "\n"))
    said = io.StringIO()
    call_command("create_user", *arguments, stdout=said)
    return said.getvalue()


def test_an_owner_can_sign_in_afterwards(
    acme: Persona, client_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = create(
        monkeypatch, "long enough to guess", "New@Acme.test", "--company=acme", "--name=Nell New"
    )
    assert said == "New@Acme.test may sign in to acme as owner.\n"
    answer = client_of(acme).post(
        "/api/v1/auth/token/", {"email": "new@acme.test", "password": "long enough to guess"}
    )
    assert answer.status_code == 415  # forms are for pages
    answer = client_of(acme).post(
        "/api/v1/auth/token/",
        {"email": "new@acme.test", "password": "long enough to guess"},
        content_type="application/json",
    )
    assert answer.status_code == 200
    with company_scope("globex"):
        assert not User.objects.filter(email="new@acme.test").exists()


@pytest.mark.parametrize(
    ("password", "email", "company", "said"),
    [
        ("long enough to guess", "a@b.test", "nobody", "there is no company 'nobody' in service"),
        ("short", "a@b.test", "acme", "too short"),
        ("long enough to guess", "owner@acme.test", "acme", "already exists"),
        ("long enough to guess", "no address", "acme", "valid email"),
    ],
)
def test_what_is_wrong_is_said_and_nobody_is_made(
    acme: Persona,
    monkeypatch: pytest.MonkeyPatch,
    password: str,
    email: str,
    company: str,
    said: str,
) -> None:
    with company_scope("acme"):
        before = User.objects.count()
    with pytest.raises(CommandError, match=said):
        create(monkeypatch, password, email, f"--company={company}", "--name=N")
    with company_scope("acme"):
        assert User.objects.count() == before
