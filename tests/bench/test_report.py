"""What is printed about a measurement, and what a machine must allow."""

from __future__ import annotations

import resource

import pytest

from bench.accounting import Usage
from bench.machine import RigError, allow_files
from bench.report import doubts, table


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
