"""`./dev replay` finds the running product."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from sera.cli import run_record, tools
from sera.cli.console import CommandError
from sera.cli.locks import exclusive


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """The arguments that demo.replay would get; the run's record and lock are the test's."""
    found: list[list[str]] = []

    def remember(command: list[str], **_: object) -> int:
        found.append(command[command.index("demo.replay") + 1 :])
        return 0

    monkeypatch.setattr(tools, "run_foreground", remember)
    monkeypatch.setattr(run_record, "LOCK", tmp_path / "run.lock")
    record = run_record.Run(pid=1, address="http://localhost:8123")
    run_record.write(record, tmp_path / "run.json")
    monkeypatch.setattr(run_record, "read", lambda: record)
    return found


def test_it_goes_to_the_port_of_the_running_up(commands: list[list[str]]) -> None:
    with exclusive(run_record.LOCK, wait=False):
        assert tools.replay(Namespace(arguments=["a.gpx", "--company", "acme"])) == 0
    assert commands == [["a.gpx", "--company", "acme", "--port", "8123"]]


@pytest.mark.parametrize(
    "arguments", [["a.gpx", "--port", "9"], ["a.gpx", "--base-url=http://x.example"], ["--help"]]
)
def test_a_named_place_is_used_whatever_runs(
    commands: list[list[str]], arguments: list[str]
) -> None:
    assert tools.replay(Namespace(arguments=arguments)) == 0
    assert commands == [arguments]


def test_without_a_running_up_it_says_so(commands: list[list[str]]) -> None:
    with pytest.raises(CommandError, match=r"Sera is not running; .*\./dev up"):
        tools.replay(Namespace(arguments=["a.gpx"]))
    assert commands == []
