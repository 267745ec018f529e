"""Fills the baseline's database: as many companies and technicians as ours has."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Mapping

import jwt

from bench.ingest_world import PATH, Create, World, company_names
from bench.uploads import Phone


class BaselineWorld:
    """Runs in a process of its own; `Create` returns a `World` without viewers."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        os.environ.update(variables)
        import django

        django.setup()

    async def handle(self, order: Create) -> World:
        return await asyncio.to_thread(_create, order)


def _create(order: Create) -> World:
    from django.core.management import call_command

    call_command("migrate", "auth", verbosity=0)
    call_command("migrate", run_syncdb=True, verbosity=0)
    names = company_names(order.companies)
    phones = [_phone(number, order) for number in range(order.technicians)]
    return World(companies=names, phones=phones, viewers=[])


def _phone(number: int, order: Create) -> Phone:
    from django.conf import settings
    from django.contrib.auth.models import User

    from bench.baseline.auth import ALGORITHM
    from bench.baseline.models import Technician

    technician, company = divmod(number, order.companies)
    user = User.objects.create(username=f"technician-{number}")
    made = Technician.objects.create(user=user, company=str(company))
    now = int(time.time())
    # What a token of ours says too.
    claims = {
        "iss": "baseline",
        "iat": now,
        "exp": now + order.token_seconds,
        "kind": "access",
        "jti": uuid.uuid4().hex,
        "user": user.pk,
        "session": str(uuid.uuid4()),
        "role": "technician",
        "technician": made.pk,
        "company": made.company,
    }
    token = jwt.encode(claims, settings.SECRET_KEY, algorithm=ALGORITHM)
    return Phone(company, technician, "localhost", PATH, token)
