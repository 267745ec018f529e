"""`./dev` as a person calls it, and the stub that must run on any Python."""

from __future__ import annotations

import ast
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from sera.cli.__main__ import COMMANDS

ROOT = Path(__file__).resolve().parent.parent.parent
DEV = ROOT / "dev"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(DEV), *arguments], capture_output=True, text=True, check=False
    )


def stub(monkeypatch: pytest.MonkeyPatch, *, version: tuple[int, ...], path: str) -> NoReturn:
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr(sys, "argv", [str(DEV), "up", "--port", "8001"])
    monkeypatch.setenv("PATH", path)
    runpy.run_path(str(DEV), run_name="__main__")
    raise AssertionError("the stub should not return")


def test_an_old_python_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit) as ended:
        stub(monkeypatch, version=(3, 8, 10), path="")
    assert ended.value.code == (
        f"Sera needs Python 3.11 or newer; this is 3.8 at {sys.executable}, and PATH has no newer "
        "one. Install one (python.org, your system's packages) and run ./dev again."
    )


def test_an_old_python_hands_over_to_a_newer_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    newer = tmp_path / "python3.12"
    newer.write_text("")
    newer.chmod(0o755)
    (tmp_path / "python3.14").mkdir()  # not a program
    called: list[tuple[str, list[str]]] = []

    def execv(path: str, arguments: list[str]) -> NoReturn:
        called.append((path, arguments))
        raise SystemExit(0)

    monkeypatch.setattr(os, "execv", execv)
    with pytest.raises(SystemExit):
        stub(monkeypatch, version=(3, 9, 0), path=str(tmp_path))
    assert called == [(str(newer), [str(newer), str(DEV), "up", "--port", "8001"])]


def test_the_stub_parses_on_old_pythons() -> None:
    # As far back as this parser can tell; no f-strings, no annotations beside that.
    tree = ast.parse(DEV.read_text(), feature_version=(3, 7))
    modern = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr)
    assert [node for node in ast.walk(tree) if isinstance(node, modern)] == []
    assert all(
        argument.annotation is None
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        for argument in node.args.args
    )


def test_the_bootstrap_needs_only_the_standard_library() -> None:
    modules = "sera.cli.__main__, sera.cli.bootstrap, sera.cli.stopping, sera.services"
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import {modules}"
    subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True)


def test_alone_it_lists_the_commands() -> None:
    result = run()
    assert (result.returncode, result.stderr) == (0, "")
    listed = [line.split()[0] for line in result.stdout.splitlines() if line.startswith("  ")]
    assert listed == [*COMMANDS]
    assert run("help").stdout == run("--help").stdout == result.stdout


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["tset"], "./dev has no command 'tset'; did you mean ./dev test?"),
        (["frobnicate"], "./dev has no command 'frobnicate'; ./dev help lists the commands"),
        (["help", "usp"], "./dev has no command 'usp'; did you mean ./dev up?"),
        (
            ["up", "--port", "eighty"],
            "./dev up: argument --port: 'eighty' should be a number between 1 and 65535; "
            "./dev up --help tells more",
        ),
        (["down", "now"], "./dev down: unrecognized arguments: now; ./dev down --help tells more"),
    ],
)
def test_a_wrong_call_gets_one_line(arguments: list[str], answer: str) -> None:
    result = run(*arguments)
    assert (result.returncode, result.stdout, result.stderr) == (1, "", f"{answer}\n")
