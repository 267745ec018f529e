"""Creating companies, finding them by host, migrating them."""

from __future__ import annotations

from io import StringIO
from typing import Any
from unittest.mock import patch

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import connection
from django.test import Client

from tenants import queries
from tenants.actions import create_company, schema_exists
from tenants.context import company_scope, platform_scope
from tenants.models import Domain, Tenant
from tenants.queries import UnknownHostError, forget_hosts, host_name, locate, ready_schemas
from tests.world import Persona

pytestmark = pytest.mark.django_db

# A company costs this many tables, indexes, sequences and TOAST tables at most: each of them is
# remembered by each database connection that touches it, and there will be a thousand companies.
MAX_RELATIONS = 150


def shape_of(schema: str) -> list[Any]:
    """Columns, constraints and indexes of a schema, without its name."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT 'column', table_name, column_name, data_type, is_nullable,
                   replace(coalesce(column_default, ''), %(schema)s || '.', '')
            FROM information_schema.columns WHERE table_schema = %(schema)s
            UNION ALL
            SELECT 'constraint', conrelid::regclass::text, conname,
                   replace(pg_get_constraintdef(oid), %(schema)s || '.', ''), '', ''
            FROM pg_constraint WHERE connamespace = %(schema)s::regnamespace AND contype <> 'n'
            UNION ALL
            SELECT 'index', tablename, indexname, replace(indexdef, %(schema)s || '.', ''), '', ''
            FROM pg_indexes WHERE schemaname = %(schema)s
            ORDER BY 1, 2, 3
            """,
            {"schema": schema},
        )
        return [
            tuple(str(value).removeprefix(f"{schema}.") for value in row)
            for row in cursor.fetchall()
        ]


@pytest.mark.usefixtures("acme")
def test_a_company_has_exactly_the_templates_shape_and_is_empty() -> None:
    create_company(schema="initech", name="Initech", time_zone="America/Chicago")
    template = shape_of("template")
    assert len([row for row in template if row[0] == "column"]) > 60
    assert shape_of("initech") == template
    with company_scope("initech"), connection.cursor() as cursor:
        for table in ("dispatch_user", "tracking_fix", "dispatch_job", "django_session"):
            cursor.execute(f"SELECT count(*) FROM {table}")
            assert cursor.fetchone() == (0,)
        cursor.execute("SELECT nextval('dispatch_user_id_seq')")
        assert cursor.fetchone() == (1,)


@pytest.mark.usefixtures("acme")
def test_a_company_costs_few_relations() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*) FROM pg_class c
            WHERE relnamespace = 'acme'::regnamespace
               OR oid IN (
                   SELECT reltoastrelid FROM pg_class WHERE relnamespace = 'acme'::regnamespace
               )
            """
        )
        (count,) = cursor.fetchone() or (0,)
    assert 20 < count <= MAX_RELATIONS


@pytest.mark.usefixtures("acme")
def test_no_company_table_lives_in_public() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        public = {row[0] for row in cursor.fetchall()}
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'acme' ORDER BY 1")
        company = {row[0] for row in cursor.fetchall()}
    # Both sides sign in by browser, and both keep a record of their migrations.
    assert public & company == {"django_session", "django_migrations"}


@pytest.mark.parametrize(
    "schema",
    ["public", "template", "pg_temp", "Acme", "1st", "a", "a-b", "a_b", "a.b", 'a"b', "x" * 32, ""],
)
@pytest.mark.usefixtures("acme")
def test_a_schema_name_that_cannot_be_used_creates_nothing(schema: str) -> None:
    before = Tenant.objects.count()
    with pytest.raises(ValidationError) as caught:
        create_company(schema=schema, name="X")
    assert "schema_name" in caught.value.message_dict or "__all__" in caught.value.message_dict
    assert Tenant.objects.count() == before
    assert not schema or schema in ("public", "template") or not schema_exists(schema)


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("not a host!!", "not a host name"),
        ("a_b.example", "not a host name"),
        ("x.example:80", "not a host name"),
        ("localhost", "staff's own host"),
    ],
)
@pytest.mark.usefixtures("acme")
def test_a_host_that_could_never_answer_is_refused(host: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        create_company(schema="initech", name="Initech", host=host)
    assert not schema_exists("initech")


@pytest.mark.usefixtures("acme")
def test_a_new_company_answers_at_its_host() -> None:
    create_company(schema="initech", name="Initech", host="Plumbers.Example.ORG")
    assert locate("plumbers.example.org").schema == "initech"
    create_company(schema="initech2", name="Initech 2")
    assert Client(HTTP_HOST="initech2.localhost").get("/login/").status_code == 200


@pytest.mark.usefixtures("acme")
def test_wrong_zone_and_taken_names_are_refused() -> None:
    with pytest.raises(ValidationError, match="not an IANA time zone"):
        create_company(schema="initech", name="X", time_zone="Mars/Olympus")
    with pytest.raises(ValidationError, match="already exists"):
        create_company(schema="acme", name="X")
    with pytest.raises(ValidationError, match="already exists"):
        create_company(schema="initech", name="X", host="acme.localhost")
    assert not schema_exists("initech")
    assert not Tenant.objects.filter(schema_name="initech").exists()


@pytest.mark.usefixtures("acme")
def test_all_or_nothing_when_the_copy_fails_half_way() -> None:
    with (
        patch("tenants.actions.CloneSchema.clone_schema", side_effect=RuntimeError("disk full")),
        pytest.raises(RuntimeError, match="disk full"),
    ):
        create_company(schema="initech", name="Initech")
    assert not Tenant.objects.filter(schema_name="initech").exists()
    assert not Domain.objects.filter(domain="initech.localhost").exists()
    assert not schema_exists("initech")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("acme.localhost:8000", "acme.localhost"),
        ("ACME.Localhost.", "acme.localhost"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]:8000", "[::1]"),
        ("", ""),
    ],
)
def test_host_names(header: str, name: str) -> None:
    assert host_name(header) == name


def test_hosts_are_remembered_and_forgotten(acme: Persona, django_assert_num_queries: Any) -> None:
    forget_hosts()
    # A read is two statements: the search path and the query.
    with django_assert_num_queries(2):
        assert locate("acme.localhost") == acme.company
    with django_assert_num_queries(0):
        assert locate("acme.localhost") == acme.company
    with django_assert_num_queries(2):
        for _ in range(3):
            with pytest.raises(UnknownHostError, match="nobody"):
                locate("nobody.localhost")


@pytest.mark.usefixtures("acme")
def test_a_scan_of_invented_hosts_fills_no_memory() -> None:
    forget_hosts()
    with (
        patch("tenants.queries.MAX_REMEMBERED_HOSTS", 3),
        patch("tenants.queries._read_company", return_value=None),
    ):
        for number in range(20):
            with pytest.raises(UnknownHostError):
                locate(f"n{number}.localhost")
        assert list(queries._remembered) == ["n17.localhost", "n18.localhost", "n19.localhost"]
    forget_hosts()


def test_a_suspended_company_is_told_so_and_gets_no_background_work(
    acme: Persona, client_of: Any
) -> None:
    Tenant.objects.filter(schema_name="acme").update(status=Tenant.Status.SUSPENDED)
    forget_hosts()
    try:
        answer = client_of(acme).get("/api/v1/me/")
        assert (answer.status_code, answer.json()["code"]) == (403, "company_suspended")
        page = client_of(acme).get("/", headers={"Accept": "text/html"})
        assert page.status_code == 403
        assert "Acme Inc is suspended" in page.content.decode()
        assert ready_schemas() == ["globex"]
    finally:
        forget_hosts()


def test_an_unknown_host_is_told_so() -> None:
    answer = Client(HTTP_HOST="nobody.localhost").get("/api/v1/me/")
    assert answer.status_code == 404
    assert answer.json() == {
        "detail": "No company answers at nobody.localhost.",
        "code": "unknown_company",
    }
    page = Client(HTTP_HOST="nobody.localhost").get("/", headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert "<strong>nobody.localhost</strong>" in page.content.decode()


@pytest.mark.usefixtures("acme")
def test_migrating_again_touches_no_schema() -> None:
    said = StringIO()
    with patch("tenants.management.commands.migrate_all.call_command") as command:
        call_command("migrate_all", stdout=said)
    assert command.call_count == 0
    assert said.getvalue() == "4 schemas are up to date\n"


@pytest.mark.usefixtures("acme")
def test_a_company_that_is_behind_is_migrated_alone() -> None:
    with company_scope("globex"), connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'tracking'")
    said = StringIO()
    with patch("tenants.management.commands.migrate_all.call_command") as command:
        call_command("migrate_all", stdout=said)
    assert [call.kwargs["schema_name"] for call in command.call_args_list] == ["globex"]
    assert "migrating globex\n" in said.getvalue()


def test_the_models_and_migrations_agree() -> None:
    with platform_scope():
        call_command("makemigrations", "--check", "--dry-run", verbosity=0)
