"""The OpenAPI document says what the API does, and the page that shows it is ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from drf_spectacular.validation import validate_schema

from tests.isolation.routes import methods_of_product
from tests.tracking.wrong_fixes import GOOD
from tests.world import PASSWORD, Persona
from tracking.fixes import FixForm

pytestmark = pytest.mark.django_db

FIXES = "/api/v1/fixes/"
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture
def document(acme: Persona) -> dict[str, Any]:
    response = Client(HTTP_HOST=acme.host).get("/api/schema/?format=json")
    assert response.status_code == 200
    return response.json()


def test_it_is_openapi(document: dict[str, Any]) -> None:
    validate_schema(document)
    assert document["openapi"].startswith("3.")
    assert document["info"]["title"] == "Sera"


def test_it_tells_every_route_and_method_and_no_other(document: dict[str, Any]) -> None:
    told = {
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method in methods
        if method in METHODS
    }
    product = {(method, path) for method, path in methods_of_product() if "/api/v1/" in path}
    assert told - {("GET", "/api/schema/")} == product


def test_every_operation_has_a_name_and_a_text(document: dict[str, Any]) -> None:
    operations = [
        (path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in METHODS and path.startswith("/api/v1/")
    ]
    for path, operation in operations:
        assert operation["description"], path
    names = [operation["operationId"] for _, operation in operations]
    assert len(names) == len(set(names))


def test_it_tells_who_may_ask(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    assert schemes["accessToken"] == {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method in METHODS and path.startswith("/api/v1/"):
                asked = any("accessToken" in one for one in operation.get("security", []))
                assert asked == ("/auth/" not in path), (method, path)


def test_a_fix_is_told_with_every_field(document: dict[str, Any]) -> None:
    fix = document["components"]["schemas"]["FixRequest"]
    assert set(fix["properties"]) == set(FixForm.__struct_fields__)
    assert set(fix["required"]) == {"id", "recorded_at", "lat", "lon"}
    answers = document["paths"]["/api/v1/fixes/"]["post"]["responses"]
    assert {"200", "201", "400", "413"} <= set(answers)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for inner in value.values():
                yield from references(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from references(inner)

    found = set(references(document))
    assert found
    for reference in found:
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_answers_have_the_form_that_it_tells(
    document: dict[str, Any], phone_of: Callable[..., Client], acme: Persona
) -> None:
    phone = phone_of(acme)
    asked = [
        ("post", FIXES, GOOD, 201),
        ("post", FIXES, GOOD, 200),
        ("post", FIXES, [GOOD, {**GOOD, "lat": 91}, None], 200),
        ("post", FIXES, {**GOOD, "lat": 91}, 400),
        ("post", FIXES, [GOOD] * 1001, 413),
        ("get", FIXES, {"technician": 1}, 200),
        ("get", "/api/v1/positions/", {}, 200),
        ("get", "/api/v1/technicians/", {}, 200),
        ("get", "/api/v1/jobs/", {}, 200),
        ("get", "/api/v1/me/", {}, 200),
        ("post", "/api/v1/auth/token/", {"email": acme.owner, "password": PASSWORD}, 200),
    ]
    for method, path, data, status in asked:
        if method == "post":
            response = phone.post(path, data, content_type="application/json")
        else:
            response = phone.get(path, data)
        assert response.status_code == status, (method, path, response.content)
        told = document["paths"][path][method]["responses"][str(status)]
        form = {
            **told["content"]["application/json"]["schema"],
            "components": document["components"],
        }
        jsonschema.validate(response.json(), _as_json_schema(form), jsonschema.Draft4Validator)


def test_the_page_loads_from_our_own_host(acme: Persona) -> None:
    client = Client(HTTP_HOST=acme.host)
    page = client.get("/api/docs/")
    assert page.status_code == 200
    said = page.content.decode()
    assets = re.findall(r'(?:src|href)="([^"]+)"', said)
    assert len(assets) >= 3
    for asset in assets:
        assert asset.startswith("/static/"), asset
        assert finders.find(asset.removeprefix("/static/")), asset
    # Nor does its script name another host.
    assert re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", said) == []
    assert "/api/schema/" in said


def _as_json_schema(form: Any) -> Any:
    """OpenAPI 3.0 says `nullable` where JSON Schema has a type of its own."""
    if isinstance(form, list):
        return [_as_json_schema(one) for one in form]
    if not isinstance(form, dict):
        return form
    plain = {key: _as_json_schema(value) for key, value in form.items() if key != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if form.get("nullable") is True else plain
