"""Whose phone it is that uploads in a format of its own.

Apps differ in what they let their users set: a header, a user's name and password, or only the
address. So a key is taken as bearer token, as password, or in the query.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import NamedTuple

from dispatch.keys import session_of_key
from dispatch.remembered_keys import forget_key, remembered_holder
from dispatch.tokens import TokenError, decode_access_token
from tenants.queries import Company
from tracking.uploads import Caller

#: The parameter of a query that holds a key.
KEY = "key"


class Credential(NamedTuple):
    """What a phone shows of itself. Only a bearer may show an access token."""

    text: str
    is_bearer: bool = False


def shown(authorization: str, query: Mapping[str, str]) -> Credential | None:
    """The header's credential, else the query's; None where there is neither."""
    scheme, _, text = authorization.partition(" ")
    match scheme.lower():
        case "":
            return Credential(query[KEY]) if KEY in query else None
        case "bearer":
            return Credential(text.strip(), is_bearer=True)
        case "basic":
            return Credential(_password(text))
        case _:
            return Credential("")


async def caller_of(credential: Credential, *, company: Company) -> Caller:
    """Whose credential it is.

    Raises:
        TokenError: nobody's here; with code `not_a_technician` somebody's who is none.
        OperationalError, PoolTimeout: the database cannot be reached.
    """
    if not credential.is_bearer or session_of_key(credential.text):
        holder = await remembered_holder(credential.text, company=company)
        return Caller(company, holder.technician, holder.session)
    claims = decode_access_token(credential.text, company=company)
    if claims.technician is None:
        raise TokenError("not_a_technician", "only a technician's own phone posts fixes")
    return Caller(company, claims.technician, claims.session)


def forget(credential: Credential, *, company: Company) -> None:
    """Its phone was found to be signed out."""
    forget_key(credential.text, company=company)


def _password(encoded: str) -> str:
    """Of HTTP's Basic scheme (RFC 7617); the user's name says nothing here."""
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""
    return pair.partition(":")[2]
