"""What is printed about a measurement, and what a machine must allow."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest

from bench.accounting import Usage
from bench.machine import RigError, allow_files, find_cores
from bench.report import Result, doubts, run, table
from bench.verdict import none_of


def usage(*, driver: float = 0.1, others: float = 0.2, server_core: float = 1.0) -> Usage:
    return Usage(
        wall=1.0,
        server=0.9,
        valkey=0.0,
        publisher=0.0,
        drivers=[driver],
        server_core=server_core,
        other_cores=others,
        other_cores_count=1,
    )


def test_columns_are_as_wide_as_they_need() -> None:
    assert table(["a", "number"], [["long name", "1"], ["b", "12,345,678"]]) == (
        "a              number\nlong name           1\nb          12,345,678"
    )


def test_an_undisturbed_measurement_is_not_doubted() -> None:
    assert doubts([usage()]) == []


def test_every_kind_of_doubt_is_told_with_how_often_and_how_much() -> None:
    measured = [usage(), usage(driver=0.96, others=0.97), usage(server_core=1.2)]
    assert doubts(measured) == [
        "a driver was saturated in 1 of 3 rounds (up to 96%)",
        "the cores beside the server's were full in 1 of 3 rounds (up to 97%)",
        "other programs took part of a core in 1 of 3 rounds (up to 30%)",
    ]


def test_too_few_open_files_are_told_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (256, 1024))
    with pytest.raises(RigError, match=r"5000 sockets need 5256 open files .* allows 1024"):
        allow_files(5000)


def test_the_limit_of_open_files_is_raised_as_far_as_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_to: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (256, 8192))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limits: set_to.append(limits))
    allow_files(5000)
    assert set_to == [(8192, 8192)]
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (256, resource.RLIM_INFINITY))
    allow_files(5000)
    assert set_to[1:] == [(5256, resource.RLIM_INFINITY)]
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (8192, 8192))
    allow_files(5000)
    assert len(set_to) == 2


@pytest.mark.parametrize(
    ("lost", "status", "line"), [(0, 0, "small: lost 0"), (1, 1, "small: lost 1 · FAILED: lost")]
)
def test_the_exit_status_the_last_line_and_the_file_agree(
    lost: int, status: int, line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure() -> tuple[Result, list[str]]:
        result = Result("small", find_cores(), "By hand.")
        result.parts = [none_of("lost", lost)]
        result.doubts = ["it was made up"]
        result.figures["runs"] = [3]
        return result, ["a table"]

    written = tmp_path / "figures.json"
    assert run("small", measure, written) == status
    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == ["a table", ""]
    assert printed[2].startswith("Method: By hand. On ")
    assert printed[3:] == ["Doubt: it was made up", line]
    figures = json.loads(written.read_text())
    assert (figures["bench"], figures["line"], figures["passed"]) == ("small", line, not lost)
    assert (figures["runs"], figures["doubts"]) == ([3], ["it was made up"])


def test_what_could_not_be_measured_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    def measure() -> tuple[Result, list[str]]:
        raise RigError("no Valkey")

    assert run("small", measure, None) == 1
    captured = capsys.readouterr()
    assert captured.out == "small: not measured · FAILED: rig\n"
    assert captured.err == "no Valkey\n"
