"""The product's settings, with passwords that are cheap to check: tests sign in by the hundred."""

from __future__ import annotations

from sera.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
