"""Keys of phones whose app speaks a format of its own and cannot renew tokens.

A key is `<session's UUID in hex>.<secret>`: the first part finds the row, the second is 32 random
bytes. Only its SHA-256 is stored. It needs no salt and no slow hash, because nobody guesses it.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import uuid

_SECRET_BYTES = 32
_FORM = re.compile(r"([0-9a-f]{32})\.[A-Za-z0-9_-]{43}")


def new_key(session: uuid.UUID) -> str:
    """A key's text, for a phone session that is about to be stored."""
    return f"{session.hex}.{secrets.token_urlsafe(_SECRET_BYTES)}"


def session_of_key(text: str) -> uuid.UUID | None:
    """Whose key it would be; None when it has not the form of one."""
    found = _FORM.fullmatch(text)
    return uuid.UUID(found[1]) if found else None


def key_digest(text: str) -> str:
    """What is stored of a key: 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()
