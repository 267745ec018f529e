"""Staff sign in on the public host, and only there."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from tenants.context import schema_or_none
from tenants.models import StaffUser


class StaffBackend(BaseBackend):
    """Checks a staff member's e-mail address and password."""

    def authenticate(  # type: ignore[override]  # stubs know one user model
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **_: Any,
    ) -> StaffUser | None:
        if schema_or_none() is not None or username is None or password is None:
            return None
        try:
            staff = StaffUser.objects.get_by_natural_key(username)
        except StaffUser.DoesNotExist:
            # As slow as a real check, so that the answer's time tells no one who works here.
            StaffUser().set_password(password)
            return None
        return staff if staff.check_password(password) and staff.is_active else None

    def get_user(self, user_id: int) -> StaffUser | None:  # type: ignore[override]
        if schema_or_none() is not None:
            return None
        return StaffUser.objects.filter(pk=user_id, is_active=True).first()

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        return set()
