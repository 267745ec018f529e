"""Bring the public schema, the template and every company to the code's migrations."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django_tenants.utils import quote_schema_name

from tenants.actions import schema_exists
from tenants.context import platform_scope
from tenants.models import Tenant

# Two deploys at once must not migrate the same schemas: PostgreSQL's advisory lock, any
# number that nothing else uses.
MIGRATION_LOCK = 0x5E4A


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--only-template", action="store_true", help="leave the companies as they are"
        )

    def handle(self, *args: Any, only_template: bool = False, **options: Any) -> None:
        verbosity = options["verbosity"]
        with platform_scope(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
            try:
                self._migrate(verbosity=verbosity, only_template=only_template)
            finally:
                with platform_scope(), connection.cursor() as unlock:
                    unlock.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])

    def _migrate(self, *, verbosity: int, only_template: bool) -> None:
        wanted = set(MigrationLoader(None).disk_migrations or {})
        quiet = {"verbosity": max(verbosity - 1, 0), "interactive": False}
        if not self._is_current("public", wanted, settings.SHARED_APPS):
            self._say(verbosity, "migrating public")
            call_command("migrate_schemas", shared=True, **quiet)
        schemas = [settings.TEMPLATE_SCHEMA]
        if not schema_exists(settings.TEMPLATE_SCHEMA):
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE SCHEMA {quote_schema_name(settings.TEMPLATE_SCHEMA)}")
        if not only_template:
            schemas += Tenant.objects.order_by("schema_name").values_list("schema_name", flat=True)
        for schema in schemas:
            if not self._is_current(schema, wanted, settings.TENANT_APPS):
                self._say(verbosity, f"migrating {schema}")
                with platform_scope():  # the command leaves the company's schema behind
                    call_command("migrate_schemas", schema_name=schema, **quiet)
        self._say(verbosity, f"{len(schemas) + 1} schemas are up to date")

    def _is_current(self, schema: str, wanted: set[tuple[str, str]], apps: list[str]) -> bool:
        """Whether the schema's own record holds every migration that the apps have."""
        table = f"{quote_schema_name(schema)}.django_migrations"
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass(%s)", [table])
            if cursor.fetchone() == (None,):
                return False
            cursor.execute(f"SELECT app, name FROM {table}")  # noqa: S608  quoted above
            applied = set(cursor.fetchall())
        labels = {name.rpartition(".")[2] for name in apps}
        return {key for key in wanted if key[0] in labels} <= applied

    def _say(self, verbosity: int, line: str) -> None:
        if verbosity:
            self.stdout.write(line)
