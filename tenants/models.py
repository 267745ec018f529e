"""Companies, their hosts, and the staff who run the platform. All of it lives in `public`."""

from __future__ import annotations

import re
import uuid
import zoneinfo
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django_tenants.models import DomainMixin, TenantMixin

# A schema is also a host name's first label (which has no underscore), the first part of a
# stream's name and a folder's name.
SCHEMA_PATTERN = r"^[a-z][a-z0-9]{1,30}$"
# RFC 1123 §2.1, as far as a Host header can bring it.
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOST_PATTERN = rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*"
RESERVED_SCHEMAS = {"public", "template", "information_schema", "pg_catalog", "pg_toast"}


def validate_schema_name(value: str) -> None:
    """Raise ValidationError unless `value` can be a company's schema, host label and folder."""
    RegexValidator(
        SCHEMA_PATTERN,
        f"{value!r} is not a schema name: use 2 to 31 of a–z and 0–9, beginning with a letter.",
    )(value)
    if value in RESERVED_SCHEMAS or value.startswith("pg_"):
        raise ValidationError(f"{value!r} is reserved; choose another schema name.")


def validate_time_zone(value: str) -> None:
    """Raise ValidationError unless `value` is an IANA time zone."""
    if value not in zoneinfo.available_timezones():
        raise ValidationError(f"{value!r} is not an IANA time zone, such as 'America/Chicago'.")


class Tenant(TenantMixin):
    """One company. Its schema is made by `tenants.actions.create_company`, never by `save()`."""

    class Status(models.TextChoices):
        PROVISIONING = "provisioning"
        READY = "ready"
        SUSPENDED = "suspended"

    auto_create_schema = False
    auto_drop_schema = False

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=120)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    # Which stack of servers holds this company; one `locate()` reads it.
    cell = models.CharField(max_length=40, default="local")
    status = models.CharField(
        max_length=20, choices=Status.choices, default=Status.PROVISIONING, db_index=True
    )
    created_at = models.DateTimeField(auto_now_add=True)
    ready_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "company"
        verbose_name_plural = "companies"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        try:
            validate_schema_name(self.schema_name)
        except ValidationError as error:
            raise ValidationError({"schema_name": error.messages}) from None


class Domain(DomainMixin):
    """A host name that leads to a company, without a port, in lower case."""

    def __str__(self) -> str:
        return str(self.domain)

    def clean(self) -> None:
        if not re.fullmatch(HOST_PATTERN, self.domain):
            raise ValidationError(
                {"domain": f"{self.domain!r} is not a host name in lower case, without a port."}
            )
        if self.domain in settings.PUBLIC_HOSTS:
            raise ValidationError({"domain": f"{self.domain!r} is the staff's own host."})


class StaffManager(BaseUserManager["StaffUser"]):
    def create_user(self, *, email: str, password: str, name: str = "") -> StaffUser:
        staff = self.model(email=self.normalize_email(email).lower(), name=name)
        staff.set_password(password)
        staff.full_clean(exclude=["password"])
        staff.save(using=self._db)
        return staff

    def get_by_natural_key(self, username: str | None) -> StaffUser:
        return self.get(email=(username or "").lower())


class StaffUser(AbstractBaseUser):
    """One of the platform's own people. Has no account in any company."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects = StaffManager()

    class Meta:
        verbose_name = "staff member"

    @property
    def is_staff(self) -> bool:
        return self.is_active

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        return self.is_active

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_active
