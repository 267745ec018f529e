"""Browser sessions, kept in the schema of the host that they belong to."""

from __future__ import annotations

import re

from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore

# What Django's own keys look like.
_KEY = re.compile(r"[a-z0-9]{8,40}")


class SessionStore(DatabaseSessionStore):
    """Takes a cookie that no server of ours wrote for none, before it reaches the database.

    PostgreSQL refuses a NUL in a text with an error, which would be every page's answer.
    """

    def _validate_session_key(self, key: str | None) -> bool:
        return bool(key and _KEY.fullmatch(key))
