"""`./dev manage`, `./dev psql` and `./dev replay`: one program beside or without a running `up`."""

from __future__ import annotations

from argparse import Namespace

from sera.cli import run_record
from sera.cli.console import CommandError
from sera.cli.embedded import psql_environment, running_services
from sera.cli.environment import tool_environment, user_settings
from sera.cli.locks import is_held
from sera.cli.paths import DATA, PYTHON
from sera.cli.processes import run_foreground
from sera.services import ServiceError
from sera.services.postgres import find_program


def manage(options: Namespace) -> int:
    """Run `manage.py` with the services up; they stop afterwards unless others use them."""
    with running_services(user_settings()) as variables:
        command = [str(PYTHON), "manage.py", *options.arguments]
        return run_foreground(command, env={**tool_environment(), **variables})


def psql(options: Namespace) -> int:
    """Open `psql` on the database.

    Raises:
        CommandError: there is no psql.
    """
    try:
        program = find_program("psql")
    except ServiceError as error:
        raise CommandError(str(error)) from None
    with running_services(user_settings()) as variables:
        env = {
            "PSQL_HISTORY": str(DATA / "psql_history"),
            **tool_environment(),
            **psql_environment(variables["DATABASE_URL"]),
        }
        return run_foreground([str(program), *options.arguments], env=env)


def replay(options: Namespace) -> int:
    """Post a recorded track to the running product as a phone would.

    Raises:
        CommandError: Sera does not run.
    """
    asks_for_help = {"-h", "--help"} & set(options.arguments)
    if not asks_for_help and not is_held(run_record.LOCK):
        raise CommandError("Sera is not running; start it in another terminal: ./dev up")
    command = [str(PYTHON), "-m", "demo.replay", *options.arguments]
    return run_foreground(command, env=tool_environment())
