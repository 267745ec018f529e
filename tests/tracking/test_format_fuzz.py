"""Whatever comes, readers give items or say what is wrong, and the doors never answer a 500."""

from __future__ import annotations

import copy
import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatch.errors import BadInputError, FieldError
from tests.live import WebServer
from tests.tracking.payloads import payload
from tests.tracking.phones import bearer, key_of
from tests.tracking.test_api_fuzz import TEXT, VALUES
from tests.world import Persona
from tracking.fixes import FixForm, read_fix
from tracking.formats import osmand, overland, owntracks, transistorsoft

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
READERS = {
    "transistorsoft": transistorsoft.read,
    "owntracks": owntracks.read,
    "overland": overland.read,
}
NAMES = {
    "transistorsoft": [
        "transistorsoft-single",
        "transistorsoft-batch",
        "transistorsoft-root-array",
    ],
    "owntracks": ["owntracks-ios", "owntracks-transition"],
    "overland": ["overland-batch"],
}
FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def places(content: Any) -> list[tuple[Any, Any]]:
    """(container, key) of everything inside."""
    pairs = list(content.items()) if isinstance(content, dict) else list(enumerate(content))
    found = [(content, key) for key, _ in pairs]
    return found + [
        place for _, inner in pairs if isinstance(inner, dict | list) for place in places(inner)
    ]


@st.composite
def bent(draw: st.DrawFn, form: str) -> Any:
    """What the app sends, with a few parts replaced by anything: it passes more of the checks."""
    content = json.loads(payload(draw(st.sampled_from(NAMES[form]))))
    for _ in range(draw(st.integers(0, 4))):
        holders = places(content)
        if holders:
            holder, key = draw(st.sampled_from(holders))
            holder[key] = copy.deepcopy(draw(VALUES))
    return content


def assert_items(items: list[Any]) -> None:
    for item in items:
        match item:
            case FixForm():
                # The native door would take it.
                native = {name: getattr(item, name) for name in item.__struct_fields__}
                assert read_fix(native, technician_id=7, now=NOW) == item
                assert item.recorded_at <= NOW + timedelta(days=1)
            case FieldError():
                json.dumps([item.field, item.value, item.message], allow_nan=False).encode()
            case _:
                assert item is None


@pytest.mark.parametrize("form", READERS)
@FUZZ
@given(data=st.data())
def test_any_json(form: str, data: st.DataObject) -> None:
    content = data.draw(st.one_of(bent(form), VALUES))
    assert_items(READERS[form](json.dumps(content).encode(), technician_id=7, now=NOW))


@pytest.mark.parametrize("form", READERS)
@FUZZ
@given(body=st.binary(max_size=200))
def test_any_bytes(form: str, body: bytes) -> None:
    try:
        items = READERS[form](body, technician_id=7, now=NOW)
    except BadInputError as error:
        items = list(error.errors)
    assert_items(items)


FIELDS = ["timestamp", "lat", "lon", "location", "speed", "bearing", "altitude", "accuracy", "batt"]
QUERY_VALUES = st.one_of(
    TEXT, st.floats().map(str), st.integers().map(str), st.just("60"), st.just("1795341600")
)


@FUZZ
@given(
    fields=st.dictionaries(st.sampled_from([*FIELDS, "charge", "mock", "id"]), QUERY_VALUES),
    raw=st.binary(max_size=100),
)
def test_any_query(fields: dict[str, str], raw: bytes) -> None:
    query = urlencode(fields, errors="surrogatepass").encode()
    assert_items(osmand.read(osmand.read_fields(query, raw), technician_id=7, now=NOW))
    assert_items(osmand.read(osmand.read_fields(raw, query), technician_id=7, now=NOW))


def test_order_and_company_of_items_change_none_of_them() -> None:
    """A batch gives what its items give alone, in their order."""
    batch = json.loads(payload("overland-batch"))
    alone = [
        overland.read(json.dumps({"locations": [one]}).encode(), technician_id=7, now=NOW)[0]
        for one in batch["locations"]
    ]
    order = list(range(len(alone)))
    for seed in range(5):
        random.Random(seed).shuffle(order)
        body = json.dumps({"locations": [batch["locations"][index] for index in order]}).encode()
        found = overland.read(body, technician_id=7, now=NOW)
        assert found == [alone[index] for index in order]


@pytest.fixture
def key(server: WebServer, acme: Persona) -> str:
    return key_of(acme)


@settings(FUZZ, max_examples=40)
@given(data=st.data())
def test_any_request(data: st.DataObject, server: WebServer, acme: Persona, key: str) -> None:
    with server.client_of(acme) as client:
        client.headers.update(bearer(key))
        for form in READERS:
            content = data.draw(st.one_of(bent(form), VALUES))
            answer = client.post(f"/ingest/{form}/", content=json.dumps(content).encode())
            assert answer.status_code == 200, (form, content, answer.text)
            body = data.draw(st.binary(max_size=60))
            answer = client.post(f"/ingest/{form}/", content=body)
            assert answer.status_code in (200, 400), (form, body, answer.text)
        fields = data.draw(st.dictionaries(st.sampled_from(FIELDS), QUERY_VALUES))
        answer = client.get(f"/ingest/osmand/?{urlencode(fields, errors='surrogatepass')}")
        assert (answer.status_code, answer.text) == (200, "OK"), fields
