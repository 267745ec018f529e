"""The standard fixture: two companies with equal primary keys and different secrets.

Whatever of one company appears in an answer to the other can be seen by its marker.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from dispatch.actions.people import create_customer, create_technician, create_user
from dispatch.actions.work import create_job
from dispatch.models import User
from tenants.actions import create_company
from tenants.context import company_scope
from tenants.queries import Company

PASSWORD = "correct horse"


@dataclass(frozen=True)
class Persona:
    """One company of the tests. Ids are the same in both companies."""

    company: Company
    marker: str
    owner: str
    dispatcher: str
    technician: str
    second_technician: str
    owner_id: int = 1
    dispatcher_id: int = 2
    technician_id: int = 1
    second_technician_id: int = 2
    customer_id: int = 1
    job_id: int = 1

    @property
    def schema(self) -> str:
        return self.company.schema

    @property
    def host(self) -> str:
        return f"{self.schema}.localhost"


def create_persona(schema: str) -> Persona:
    """A company with an owner, a dispatcher, two technicians, a customer and a job."""
    marker = f"SECRET-OF-{schema.upper()}"
    company = create_company(schema=schema, name=f"{schema.title()} Inc", time_zone="UTC")
    persona = Persona(
        company=company,
        marker=marker,
        owner=f"owner@{schema}.test",
        dispatcher=f"dispatcher@{schema}.test",
        technician=f"tech@{schema}.test",
        second_technician=f"second@{schema}.test",
    )
    with company_scope(schema):
        create_user(email=persona.owner, password=PASSWORD, name="Olive Owner", role="owner")
        create_user(
            email=persona.dispatcher, password=PASSWORD, name="Dina Desk", role=User.Role.DISPATCHER
        )
        technician = create_technician(
            email=persona.technician,
            password=PASSWORD,
            name=f"Tess {marker}",
            color="#2563eb",
            phone="+12025550101",
        )
        create_technician(
            email=persona.second_technician,
            password=PASSWORD,
            name=f"Will {marker}",
            color="#b45309",
        )
        customer = create_customer(
            name=f"Carol {marker}",
            phone="+12025550150",
            address=f"1 {marker} Street",
            lat=60.53,
            lon=26.93,
        )
        create_job(
            title=f"Tap {marker}",
            kind="plumbing",
            customer=customer,
            technician=technician,
            starts_at=datetime(2026, 11, 23, 9, tzinfo=UTC),
            ends_at=datetime(2026, 11, 23, 10, tzinfo=UTC),
        )
    return persona
