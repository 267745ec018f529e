"""A company's people: those who sign in, those who drive out, those who called."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Lower

LATITUDE = [MinValueValidator(-90.0), MaxValueValidator(90.0)]
LONGITUDE = [MinValueValidator(-180.0), MaxValueValidator(180.0)]
E164 = RegexValidator(r"^\+[1-9]\d{6,14}$", "Use the E.164 form, such as +12025550123.")
COLOR = RegexValidator(r"^#[0-9a-f]{6}$", "Use the form #rrggbb in lower case.")


class Skill(models.TextChoices):
    """What a job asks for, and what a technician is trained for."""

    PLUMBING = "plumbing"
    ELECTRICAL = "electrical"
    HEATING = "heating"


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser):
    """Someone who signs in to one company. Staff of the platform are no Users."""

    class Role(models.TextChoices):
        OWNER = "owner"
        DISPATCHER = "dispatcher"
        TECHNICIAN = "technician"

    email = models.EmailField(unique=True, help_text="In lower case.")
    name = models.CharField(max_length=120)
    role = models.CharField(max_length=20, choices=Role.choices)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects = UserManager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(email=Lower("email")), name="user_email_lower"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def may_dispatch(self) -> bool:
        """Whether this user sees all of the company's people and work."""
        return self.role in (User.Role.OWNER, User.Role.DISPATCHER)

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        return False  # doors decide by role; nobody has Django's model permissions

    def has_module_perms(self, app_label: str) -> bool:
        return False


class Technician(models.Model):
    """Someone who drives to jobs. Signs in by phone through `user`."""

    user = models.OneToOneField(User, on_delete=models.PROTECT, related_name="technician")
    name = models.CharField(max_length=120)
    color = models.CharField(max_length=7, validators=[COLOR], help_text="#rrggbb on the map.")
    phone = models.CharField(max_length=16, blank=True, validators=[E164])
    skills = ArrayField(
        models.CharField(max_length=20, choices=Skill.choices),
        default=list,
        blank=True,
        help_text="What they are trained for; empty: everything.",
    )
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name

    @property
    def initials(self) -> str:
        words = self.name.split()
        return "".join(word[0] for word in (words[:1] + words[-1:] if words[1:] else words)).upper()


class Shift(models.Model):
    """When a technician works. One who has no shift at all is not planned, and always works."""

    technician = models.ForeignKey(Technician, on_delete=models.CASCADE, related_name="shifts")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()

    class Meta:
        ordering = ["starts_at", "id"]
        indexes = [models.Index(fields=["technician", "ends_at"], name="shift_by_end")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("starts_at")), name="shift_has_length"
            )
        ]


class PhoneSession(models.Model):
    """One phone that is signed in. Its refresh token changes at each use.

    One that speaks a format of its own cannot renew tokens: it has a key instead, which is good
    until it is revoked. Then `key_digest` is the key's SHA-256, and there are no tokens.

    `current` and `previous` are the `jti` claims of the last two refresh tokens (RFC 7519
    §4.1.7); `dispatch.tokens` tells what happens to each.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="phone_sessions")
    label = models.CharField(max_length=80, blank=True, help_text="What its user calls it.")
    key_digest = models.CharField(max_length=64, blank=True)
    current = models.CharField(max_length=64, blank=True)
    previous = models.CharField(max_length=64, blank=True)
    rotated_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)


class Customer(models.Model):
    """A household or business that work is done for."""

    name = models.CharField(max_length=160)
    phone = models.CharField(max_length=16, blank=True, validators=[E164])
    address = models.CharField(max_length=240)
    lat = models.FloatField(validators=LATITUDE, help_text="Degrees, WGS 84.")
    lon = models.FloatField(validators=LONGITUDE, help_text="Degrees, WGS 84.")

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name
