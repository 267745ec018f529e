"""`./dev manage`, `./dev psql` and `./dev replay`: one program beside or without a running `up`."""

from __future__ import annotations

from argparse import Namespace
from urllib.parse import urlsplit

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

    It goes to this folder's `./dev up`, on whatever port that serves, unless the arguments name
    another place.

    Raises:
        CommandError: Sera does not run.
    """
    arguments = list(options.arguments)
    elsewhere = any(each.startswith(("--port", "--base-", "-h", "--help")) for each in arguments)
    if not elsewhere:
        arguments += ["--port", str(_port_of_running_up())]
    command = [str(PYTHON), "-m", "demo.replay", *arguments]
    return run_foreground(command, env=tool_environment())


def _port_of_running_up() -> int:
    run = run_record.read() if is_held(run_record.LOCK) else None
    port = urlsplit(run.address).port if run else None
    if port is None:
        raise CommandError("Sera is not running; start it in another terminal: ./dev up")
    return port
