"""Create a staff account, or set a new password for one. Reads the password without echo."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.console import read_password
from tenants.context import platform_scope
from tenants.models import StaffUser


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", default="")

    def handle(self, *args: Any, email: str, name: str, **options: Any) -> None:
        password = read_password()
        with platform_scope():
            try:
                validate_password(password)
                staff = StaffUser.objects.filter(email=email.lower()).first()
                if staff is None:
                    StaffUser.objects.create_user(email=email, password=password, name=name)
                else:
                    staff.set_password(password)
                    staff.save(update_fields=["password"])
            except ValidationError as error:
                raise CommandError("; ".join(error.messages)) from None
        self.stdout.write(f"{email} may sign in at /admin/ of the staff's host.")
