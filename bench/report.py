"""What a bench prints and writes: tables, how it was measured, the last line, JSON."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.accounting import Usage
from bench.machine import Cores, RigError, describe
from bench.rounds import QUIET as QUIET
from bench.verdict import Part, last_line, passed


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need; the first to the left, the others to the right."""
    lines = [headings, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def share(part: float) -> str:
    return f"{part:.0%}"


def progress(text: str) -> None:
    """One line on what is done now; bench results go to standard output, this does not."""
    print(f"· {text}", file=sys.stderr, flush=True)


def doubts(usages: Sequence[Usage]) -> list[str]:
    """Why figures may be wrong that were taken while all this was used; none if all is well."""
    drivers = [each.busiest_driver_share for each in usages]
    rig = [each.rig_share for each in usages]
    disturbed = [each.disturbance for each in usages]
    return [
        f"{what} in {len(high)} of {len(usages)} rounds (up to {share(max(high))})"
        for what, shares, bound in (
            ("a driver was saturated", drivers, 0.9),
            ("the cores beside the server's were full", rig, 0.95),
            ("other programs took part of a core", disturbed, QUIET),
        )
        if (high := [each for each in shares if each > bound])
    ]


class Result:
    """A bench's figures and verdict."""

    def __init__(self, bench: str, cores: Cores, method: str) -> None:
        self.bench = bench
        self.figures: dict[str, Any] = {"bench": bench}
        self.method = f"{method} On {describe(cores)}."
        self.parts: list[Part] = []
        self.doubts: list[str] = []

    @property
    def line(self) -> str:
        return last_line(self.bench, self.parts)

    def show(self, tables: Sequence[str]) -> None:
        """Print all, the last line last."""
        for text in tables:
            print(f"{text}\n")
        print(f"Method: {self.method}")
        for doubt in self.doubts:
            print(f"Doubt: {doubt}")
        print(self.line, flush=True)

    def write(self, path: Path) -> None:
        """Write all figures as JSON."""
        figures = {
            **self.figures,
            "method": self.method,
            "doubts": self.doubts,
            "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "parts": [{"name": p.name, "text": p.text, "holds": p.holds} for p in self.parts],
            "passed": passed(self.parts),
            "line": self.line,
        }
        path.write_text(json.dumps(figures, indent=1) + "\n")


def make_parser(bench: str, description: str | None) -> argparse.ArgumentParser:
    """The options that every bench has."""
    parser = argparse.ArgumentParser(prog=f"./dev bench {bench}", description=description)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument(
        "--drivers", type=positive, default=4, help="processes that hold the clients (%(default)s)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="only the two stacks that the budget compares"
    )
    return parser


def positive(text: str) -> int:
    """A whole number above zero, for argparse."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} should be a whole number above 0")
    return int(text)


def run(bench: str, measure: Callable[[], tuple[Result, list[str]]], path: Path | None) -> int:
    """Measure, show, write; return the exit status: 0 only if every part of the budget holds."""
    try:
        result, tables = measure()
    except RigError as error:
        print(error, file=sys.stderr)
        print(f"{bench}: not measured · FAILED: rig", flush=True)
        return 1
    if path is not None:
        result.write(path)
    result.show(tables)
    return 0 if passed(result.parts) else 1
