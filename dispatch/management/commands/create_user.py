"""Create an owner or dispatcher of a company: the first person who can sign in to a new one."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from dispatch.actions.people import create_user
from dispatch.models import User
from tenants.console import read_password
from tenants.context import company_scope
from tenants.queries import ready_schemas


class Command(BaseCommand):
    help = f"{__doc__} Reads the password without echo."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--company", required=True, metavar="SCHEMA")
        parser.add_argument("--name", required=True)
        parser.add_argument(
            "--role", choices=[User.Role.OWNER, User.Role.DISPATCHER], default=User.Role.OWNER
        )

    def handle(
        self, *args: Any, email: str, company: str, name: str, role: str, **options: Any
    ) -> None:
        schemas = ready_schemas()
        if company not in schemas:
            raise CommandError(
                f"--company: there is no company {company!r} in service; there are: "
                + (", ".join(schemas) or "none")
            )
        password = read_password()
        try:
            validate_password(password)
            with company_scope(company):
                create_user(email=email, password=password, name=name, role=role)
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from None
        self.stdout.write(f"{email} may sign in to {company} as {role}.")
