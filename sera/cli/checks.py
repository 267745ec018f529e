"""`./dev test`, `./dev lint` and `./dev bench`."""

from __future__ import annotations

import shutil
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from sera.cli import interrupts
from sera.cli.console import CommandError, say
from sera.cli.environment import tool_environment
from sera.cli.frontend import Node, ensure_built, ensure_packages
from sera.cli.paths import CABLE_CLIENTS, DATA, FRONTEND, PYTHON, ROOT, VENV
from sera.cli.processes import run_foreground

# mypy's Django plugin imports the settings; nobody connects to these.
_SETTINGS_TO_IMPORT = {
    "SECRET_KEY": "only-for-reading-the-sources-never-for-signing",
    "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def test(options: Namespace) -> int:
    """Run everything that must pass; return 1 if anything failed."""
    node = ensure_built()
    ensure_packages(node, CABLE_CLIENTS, "the cable's official clients")
    env = {**test_environment(), "PATH": node.environment()["PATH"]}
    if find_browser(env) is None:
        say(
            "No Chromium was found, so the browser tests will be skipped. Install it (Debian: "
            "apt install chromium), or set CHROMIUM to the path of one."
        )
    arguments = [each for each in options.arguments if each != "--no-lint"]
    results = _lint(node) if arguments == options.arguments else {}
    results["front-end tests"] = _run(
        [*node.npm, "run", "test", "--if-present"], env=node.environment(), cwd=FRONTEND
    )
    results["pytest"] = _run([str(PYTHON), "-m", "pytest", *arguments], env=env)
    return _report(results)


def lint(_options: Namespace) -> int:
    """Run every check of the sources, to the end; return 1 if any found something."""
    return _report(_lint(ensure_built()))


def bench(options: Namespace) -> int:
    """Run one benchmark.

    Raises:
        CommandError: there is none of that name; the text lists those that exist.
    """
    names = benchmarks(ROOT / "bench")
    name, arguments = next(iter(options.arguments), ""), options.arguments[1:]
    if name not in names:
        wrong = f"There is no benchmark {name!r}. " if name else ""
        known = ", ".join(names) or "none yet"
        raise CommandError(f"{wrong}./dev bench NAME, where NAME is one of: {known}")
    ensure_built()
    command = [str(PYTHON), "-m", f"bench.{name}", *arguments]
    return _run(command, env=test_environment())


def benchmarks(folder: Path) -> list[str]:
    """Return the names that `bench` takes: the modules that can be run by themselves."""
    return sorted(
        path.stem
        for path in folder.glob("*.py")
        if not path.stem.startswith("_") and '__name__ == "__main__"' in path.read_text()
    )


def test_environment() -> dict[str, str]:
    """Return the variables for programs that start their own services.

    Browsers write into the home directory whatever they are told, so they get one here.
    """
    home = DATA / "home"
    home.mkdir(parents=True, exist_ok=True)
    return {**tool_environment(), "HOME": str(home)}


def find_browser(env: Mapping[str, str]) -> str | None:
    """Return the path of the Chromium that the browser tests would use."""
    if named := env.get("CHROMIUM"):
        return named
    return next((path for name in _BROWSERS if (path := shutil.which(name))), None)


def _lint(node: Node) -> dict[str, int]:
    """Run all checks, however many fail; return their exit statuses by name."""
    env = {**tool_environment(), **_SETTINGS_TO_IMPORT}
    checks = {
        "ruff check": ["ruff", "check", "."],
        "ruff format": ["ruff", "format", "--check", "."],
        "mypy": ["mypy"],
        "import-linter": ["lint-imports"],
    }
    results = {}
    for name, (tool, *arguments) in checks.items():
        say(f"── {name}")
        results[name] = _run([str(VENV / "bin" / tool), *arguments], env=env)
    say("── front end: types and style")
    results["front-end check"] = _run(
        [*node.npm, "run", "check", "--if-present"], env=node.environment(), cwd=FRONTEND
    )
    return results


def _run(command: list[str], *, env: Mapping[str, str], cwd: Path = ROOT) -> int:
    """Run a command in the foreground; Ctrl-C ends the whole series."""
    status = run_foreground(command, env=env, cwd=cwd)
    interrupts.check()
    return status


def _report(results: Mapping[str, int]) -> int:
    failed = [name for name, status in results.items() if status != 0]
    say()
    if failed:
        say(f"Failed: {', '.join(failed)}")
        return 1
    say(f"Passed: {', '.join(results)}")
    return 0
