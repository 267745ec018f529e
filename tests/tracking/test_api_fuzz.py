"""Whatever JSON comes, the answer is never a 500, and only what is right is stored."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenants.context import company_scope
from tests.tracking.wrong_fixes import GOOD
from tests.world import Persona
from tracking.fixes import RIGHT
from tracking.models import Fix

pytestmark = pytest.mark.django_db

# Numbers of any size, texts with NUL and half letters, nested a little.
TEXT = st.text(st.characters(), max_size=50)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**40), 10**40),
    st.floats(),
    TEXT,
    st.datetimes().map(str),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.uuids().map(str),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=6
)
# A good fix in which some fields became anything: it passes the first checks more often.
FIXES = st.dictionaries(st.sampled_from(sorted(RIGHT)), VALUES, max_size=3).map(
    lambda changes: {**GOOD, "id": str(uuid.uuid4()), **changes}
)
BODIES = st.one_of(VALUES, FIXES, st.lists(FIXES | VALUES, max_size=5))
FUZZ = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def phone(phone_of: Callable[..., Client], acme: Persona) -> Client:
    return phone_of(acme)


def rows() -> int:
    with company_scope("acme"):
        return Fix.objects.count()


@FUZZ
@given(body=BODIES)
def test_any_json(body: Any, phone: Client) -> None:
    before = rows()
    response = phone.generic("POST", "/api/v1/fixes/", json.dumps(body), "application/json")
    answer = response.json()
    match response.status_code:
        case 200 if isinstance(body, list):
            assert len(answer["results"]) == len(body)
            assert answer["stored"] + answer["duplicate"] + answer["rejected"] == len(body)
            for result in answer["results"]:
                assert (result["status"] == "rejected") == bool(result.get("errors"))
            assert rows() == before + answer["stored"]
        case 201 | 200:
            assert rows() == before + (response.status_code == 201)
        case 400:
            assert all(set(error) == {"field", "value", "message"} for error in answer["errors"])
            assert answer["errors"]
            assert rows() == before
        case status:
            raise AssertionError(f"{status}: {answer}")


@FUZZ
@given(body=st.binary(max_size=200))
def test_any_bytes(body: bytes, phone: Client) -> None:
    response = phone.generic("POST", "/api/v1/fixes/", body, "application/json")
    assert response.status_code in (200, 400)
    assert rows() == 0


@FUZZ
@given(
    query=st.dictionaries(
        st.sampled_from(["technician", "since", "until", "after", "limit", "x"]),
        st.one_of(
            st.text(st.characters(blacklist_categories=["Cs"]), max_size=30),
            st.integers().map(str),
            st.datetimes().map(lambda moment: moment.isoformat() + "+00:00"),
            st.just("1"),
            st.just("9" * 4400),
        ),
    )
)
def test_any_query(query: dict[str, str], phone: Client) -> None:
    response = phone.get("/api/v1/fixes/", query)
    assert response.status_code in (200, 400, 404), response.content
    if response.status_code == 400:
        named = {error["field"] for error in response.json()["errors"]}
        assert named <= {"technician", "since", "until", "after", "limit"}


@settings(FUZZ, max_examples=50)  # three requests each
@given(body=st.one_of(VALUES, st.fixed_dictionaries({"email": VALUES, "password": VALUES})))
def test_any_sign_in(body: Any, client_of: Callable[..., Client], acme: Persona) -> None:
    for path in ("token/", "token/refresh/", "token/revoke/"):
        sent = {**body, "refresh": body.get("email")} if isinstance(body, dict) else body
        response = client_of(acme).generic(
            "POST", f"/api/v1/auth/{path}", json.dumps(sent), "application/json"
        )
        assert response.status_code in (400, 401), (path, response.content)
