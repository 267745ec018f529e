"""Names of the cable's streams. Each begins with the company's schema."""

from __future__ import annotations

from tenants.context import NoCompanyError


def company_stream(schema: str, name: str) -> str:
    """The stream `name` of one company, such as "acme.map".

    A schema holds no dot, so no company can name another's stream.

    Raises:
        NoCompanyError: `schema` is empty or `public`.
    """
    if not schema or schema == "public":
        raise NoCompanyError(f"stream {name!r} needs a company, not {schema!r}")
    return f"{schema}.{name}"


def company_user_key(schema: str, user_id: int) -> str:
    """The cable's name for one company's user; user ids repeat among companies."""
    return f"{schema}:{user_id}"
