"""The company's claim in every token, so that one company's token opens no other's door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tenants.queries import Company

COMPANY_CLAIM = "company"


class WrongCompanyError(PermissionError):
    """The token was made for another company than the door's."""


def company_claim(company: Company) -> dict[str, str]:
    """What a token for this company must carry."""
    return {COMPANY_CLAIM: company.id}


def check_company_claim(claims: Mapping[str, Any], company: Company) -> None:
    """Raise WrongCompanyError unless the token was made for `company`."""
    if claims.get(COMPANY_CLAIM) != company.id:
        raise WrongCompanyError(f"this token was not made for {company.name}")
