"""The commands of `./dev`."""

from __future__ import annotations

import argparse
import difflib
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

from sera.cli import bootstrap, interrupts
from sera.cli.console import CommandError, say, warn


@dataclass(frozen=True)
class Command:
    """One `./dev NAME`."""

    function: str
    """`module.function` of this package."""
    needs: Literal["nothing", "running", "development"]
    """Which requirements must be installed first."""
    help: str
    usage: str | None = None
    """Set if everything after the name goes to the function as it is typed."""


COMMANDS = {
    "up": Command("up.up", "running", "start everything, say where it is; Ctrl-C stops it"),
    "test": Command(
        "checks.test", "development", "run lint and all tests", "[--no-lint] [PYTEST ARGUMENTS …]"
    ),
    "lint": Command("checks.lint", "development", "check style, types and imports"),
    "bench": Command(
        "checks.bench", "development", "run a benchmark, or list them", "[NAME [ARGUMENTS …]]"
    ),
    "manage": Command(
        "tools.manage", "running", "run manage.py with the services up", "COMMAND [ARGUMENTS …]"
    ),
    "replay": Command(
        "tools.replay", "running", "post a GPX track as a phone would", "FILE.gpx [ARGUMENTS …]"
    ),
    "psql": Command("tools.psql", "running", "open psql on the database", "[PSQL ARGUMENTS …]"),
    "down": Command("stopping.down", "nothing", "stop an up of another terminal, or its remains"),
    "reset": Command("stopping.reset", "nothing", "delete the databases, to start afresh"),
    "help": Command("", "nothing", "show this, or more about one command"),
}
# With `--help` the other ones that take raw arguments show their program's own help.
_OWN_HELP = ("test", "bench")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{self.prog}: {message}; {self.prog} --help tells more")


def main(argv: Sequence[str]) -> int:
    """Run one command; return the exit status."""
    try:
        with interrupts.deferred():
            return _run(list(argv))
    except CommandError as error:
        warn(str(error))
        return 1
    except interrupts.Interrupted as interrupted:
        return interrupted.exit_status


def _run(argv: list[str]) -> int:
    name, rest = (argv[0], argv[1:]) if argv else ("help", [])
    if name in ("help", "-h", "--help"):
        say(make_parser(known(rest[0])).format_help() if rest else overview())
        return 0
    command = COMMANDS[known(name)]
    if command.usage and not (name in _OWN_HELP and rest[:1] in (["-h"], ["--help"])):
        options = argparse.Namespace(arguments=rest)
    else:
        options = make_parser(name).parse_args(rest)
    if command.needs != "nothing":
        bootstrap.ensure_python(development=command.needs == "development")
        bootstrap.enter_venv(argv)
    module, _, function = command.function.partition(".")
    # Imported late: some of it needs what was installed just now.
    status: int = getattr(importlib.import_module(f"sera.cli.{module}"), function)(options)
    return status


def overview() -> str:
    """Return the help of `./dev` itself."""
    return "\n".join(
        [
            "./dev COMMAND: run, test and look into Sera. All that it makes stays in this folder.",
            "",
            *(f"  {name:<8} {command.help}" for name, command in COMMANDS.items()),
            "",
            "./dev help COMMAND tells more about one.",
        ]
    )


def make_parser(name: str) -> argparse.ArgumentParser:
    """Return the parser for what follows one command's name."""
    command = COMMANDS[name]
    parser = _Parser(
        prog=f"./dev {name}",
        description=f"{command.help[0].upper()}{command.help[1:]}.",
        usage=command.usage and f"./dev {name} {command.usage}",
    )
    if name == "up":
        parser.add_argument(
            "--port", type=_port, default=8000, help="where to serve (default: %(default)s)"
        )
        parser.add_argument(
            "--host",
            default="127.0.0.1",
            metavar="ADDRESS",
            help="address to listen on; 0.0.0.0 lets other machines in (default: %(default)s)",
        )
        parser.add_argument(
            "--no-demo", dest="demo", action="store_false", help="no demo companies, no demo fleet"
        )
    elif name == "reset":
        parser.add_argument("--yes", action="store_true", help="do not ask")
    return parser


def known(name: str) -> str:
    """Return `name` if it is a command.

    Raises:
        CommandError: it is not; the text has the closest one that is.
    """
    if name in COMMANDS:
        return name
    close = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f"did you mean ./dev {close[0]}?" if close else "./dev help lists the commands"
    raise CommandError(f"./dev has no command {name!r}; {hint}")


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} should be a number between 1 and 65535")
    return int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
