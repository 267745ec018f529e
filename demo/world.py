"""The demo's companies, technicians, customers and today's jobs, read from ``demo/data``.

Streets and coordinates are real (OpenStreetMap); people, companies and house numbers are invented.
Telephone numbers are from the North American range reserved for fiction (555-0100 to 555-0199).
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

DATA_DIR = Path(__file__).resolve().parent / "data"
SCHEMAS = ("acme", "globex")
PASSWORD = "demo-sera"  # noqa: S105  the published password of every demo login

JobKind = Literal["plumbing", "electrical", "heating"]


@dataclass(frozen=True, slots=True)
class Technician:
    """One person with a phone; ``color`` is ``#rrggbb``, ``phone`` is E.164.

    The fleet drives whoever ``drives``; the others are for people who try the API themselves.
    """

    name: str
    email: str
    color: str
    phone: str
    drives: bool = True

    @property
    def initials(self) -> str:
        """First letters of the name's first and last word, for a map marker."""
        words = self.name.split()
        return (words[0][0] + words[-1][0]).upper()


@dataclass(frozen=True, slots=True)
class Customer:
    """One customer; ``street`` includes the house number, coordinates are degrees WGS 84."""

    key: str
    name: str
    phone: str
    street: str
    city: str
    lat: float
    lon: float

    @property
    def address(self) -> str:
        """One line, as a dispatcher reads it."""
        return f"{self.street}, {self.city}"


@dataclass(frozen=True, slots=True)
class Job:
    """One job of the demo's day; ``starts`` is ``HH:MM`` on the company's clock.

    ``customer`` is a customer's key; ``technician`` is an e-mail address or None (unassigned).
    """

    title: str
    kind: JobKind
    customer: str
    technician: str | None
    starts: str
    minutes: int

    def window(self, day: date, time_zone: str) -> tuple[datetime, datetime]:
        """Start and end on ``day`` as aware datetimes in ``time_zone``."""
        start = datetime.combine(day, time.fromisoformat(self.starts), ZoneInfo(time_zone))
        return start, start + timedelta(minutes=self.minutes)


@dataclass(frozen=True, slots=True)
class Company:
    """One tenant of the demo.

    ``center`` is (lat, lon); ``bbox`` is (west, south, east, north): the area of its base map.
    """

    schema: str
    name: str
    town: str
    time_zone: str
    center: tuple[float, float]
    bbox: tuple[float, float, float, float]
    zoom: float
    owner: str
    dispatcher: str
    technicians: tuple[Technician, ...]
    customers: tuple[Customer, ...]
    jobs: tuple[Job, ...]

    def __post_init__(self) -> None:
        customers = {customer.key for customer in self.customers}
        emails = {technician.email for technician in self.technicians}
        for job in self.jobs:
            if job.customer not in customers:
                raise ValueError(
                    f"{self.schema}: job {job.title!r} names customer {job.customer!r}"
                )
            if job.technician is not None and job.technician not in emails:
                raise ValueError(
                    f"{self.schema}: job {job.title!r} names technician {job.technician!r}"
                )

    def customer(self, key: str) -> Customer:
        """The customer with this key; KeyError names the key."""
        for customer in self.customers:
            if customer.key == key:
                return customer
        raise KeyError(key)


def load_company(schema: str) -> Company:
    """Read one company; ValueError names the known ones, msgspec.ValidationError the bad field."""
    if schema not in SCHEMAS:
        raise ValueError(f"company {schema!r} is not in the demo; it has {', '.join(SCHEMAS)}")
    return msgspec.json.decode((DATA_DIR / f"{schema}.json").read_bytes(), type=Company)


def load_world() -> tuple[Company, ...]:
    """All companies of the demo, in the order of ``SCHEMAS``."""
    return tuple(load_company(schema) for schema in SCHEMAS)
