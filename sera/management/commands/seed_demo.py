"""Fill an empty platform with the demo: two companies, their people, customers and today's jobs.

What exists is left as it is, so it may run at each start. Jobs are made anew for each day. Nobody
has shifts, so positions of any time are taken: the demo's fleet drives at all hours, and recorded
tracks are replayed with their own times.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand
from django.db import transaction

from demo import world
from dispatch.actions.people import create_customer, create_technician, create_user
from dispatch.actions.work import create_job
from dispatch.models import Customer, Job, Technician, User
from tenants.actions import create_company
from tenants.context import company_scope, platform_scope
from tenants.models import StaffUser, Tenant

STAFF_EMAIL = "staff@sera.test"


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        with platform_scope():
            if not StaffUser.objects.filter(email=STAFF_EMAIL).exists():
                StaffUser.objects.create_user(
                    email=STAFF_EMAIL, password=world.PASSWORD, name="Sam Staff"
                )
        for company in world.load_world():
            with platform_scope():
                exists = Tenant.objects.filter(schema_name=company.schema).exists()
            if not exists:
                create_company(
                    schema=company.schema, name=company.name, time_zone=company.time_zone
                )
            with company_scope(company.schema), transaction.atomic():
                _add_people(company)
                made = _add_todays_jobs(company)
            if not exists or made:
                self.stdout.write(
                    f"{company.name}: {'created, ' * (not exists)}{made} jobs for today"
                )


def _add_people(company: world.Company) -> None:
    """Create the users, technicians and customers that are not there yet."""
    emails = set(User.objects.values_list("email", flat=True))
    names = set(Customer.objects.values_list("name", flat=True))
    for role, name in (
        (User.Role.OWNER, company.owner),
        (User.Role.DISPATCHER, company.dispatcher),
    ):
        email = f"{role.value}@{company.schema}.test"
        if email not in emails:
            create_user(email=email, password=world.PASSWORD, name=name, role=role)
    for person in company.technicians:
        if person.email not in emails:
            create_technician(
                email=person.email,
                password=world.PASSWORD,
                name=person.name,
                color=person.color,
                phone=person.phone,
            )
    for customer in company.customers:
        if customer.name not in names:
            create_customer(
                name=customer.name,
                phone=customer.phone,
                address=customer.address,
                lat=customer.lat,
                lon=customer.lon,
            )


def _add_todays_jobs(company: world.Company) -> int:
    """Create the day's jobs unless the day has some; returns how many."""
    today = datetime.now(ZoneInfo(company.time_zone)).date()
    windows = [job.window(today, company.time_zone) for job in company.jobs]
    if (
        not windows
        or Job.objects.filter(
            starts_at__gte=min(start for start, _ in windows),
            starts_at__lte=max(start for start, _ in windows),
        ).exists()
    ):
        return 0
    names = {customer.key: customer.name for customer in company.customers}
    customers = {customer.name: customer for customer in Customer.objects.all()}
    technicians = {
        technician.user.email: technician
        for technician in Technician.objects.select_related("user")
    }
    for job, (starts_at, ends_at) in zip(company.jobs, windows, strict=True):
        create_job(
            title=job.title,
            kind=job.kind,
            customer=customers[names[job.customer]],
            technician=technicians.get(job.technician or ""),
            starts_at=starts_at,
            ends_at=ends_at,
        )
    return len(windows)
