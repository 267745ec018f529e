"""Fill an empty database with the two companies: `python -m tests.chaos.create_world`."""

from __future__ import annotations

import django
from django.core.management import call_command

django.setup()

if __name__ == "__main__":
    from tests.world import create_persona

    call_command("migrate_all", verbosity=0)
    for schema in ("acme", "globex"):
        create_persona(schema)
