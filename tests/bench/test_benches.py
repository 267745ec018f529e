"""Each bench runs to its verdict, small; the figures themselves are not looked at."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bench.servers import ROOT
from sera.cli.checks import benchmarks
from sera.services.process_tree import descendants, is_alive

RUNS = ROOT / ".data" / "bench"
SMALL = {
    "fanout": ["--subscribers", "20", "--seconds", "0.5", "--rounds", "1"],
    "avalanche": ["--sockets", "40", "--baseline-sockets", "20", "--streams", "4", "--settle", "1"],
    "map": [
        *("--technicians", "40", "--baseline-technicians", "20", "--viewers", "4"),
        *("--seconds", "0.5", "--rounds", "1", "--quiet-seconds", "5"),
    ],
    "stalled": [
        *("--subscribers", "20", "--stalled", "4", "--bytes", "16384"),
        *("--seconds", "0.5", "--rounds", "1"),
    ],
    "history": ["--fixes", "20000", "--technicians", "4", "--queries", "20", "--rounds", "1"],
    "ingest": [
        *("--companies", "2", "--technicians", "8"),
        *("--seconds", "0.5", "--rounds", "1"),
    ],
}


def command(bench: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"bench.{bench}", "--quick", "--drivers", "2", *arguments]


def run_small(bench: str, folder: Path, *more: str) -> dict[str, Any]:
    """Run one; its JSON. Asserts what holds for each."""
    written = folder / "figures.json"
    done = subprocess.run(
        command(bench, *SMALL[bench], *more, "--json", str(written)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert written.exists(), done.stdout + done.stderr
    figures: dict[str, Any] = json.loads(written.read_text())
    assert figures["bench"] == bench
    assert done.stdout.splitlines()[-1] == figures["line"]
    failed = [part["name"] for part in figures["parts"] if not part["holds"]]
    assert figures["passed"] == (not failed)
    assert done.returncode == (1 if failed else 0)
    assert figures["line"].startswith(f"{bench}: ")
    assert figures["line"].endswith(f" · FAILED: {', '.join(failed)}") == bool(failed)
    assert f"Method: {figures['method']}" in done.stdout
    return figures


def test_dev_lists_the_benches_and_nothing_else() -> None:
    assert {"avalanche", "fanout", "ingest"} <= set(benchmarks(ROOT / "bench"))
    assert not {"rig", "drivers", "sequence", "app", "ingest_soak", "phones"} & set(
        benchmarks(ROOT / "bench")
    )


def test_fanout_delivers_every_message_once(tmp_path: Path) -> None:
    figures = run_small("fanout", tmp_path)
    ours, shipped = figures["runs"]
    assert [ours["stack"], shipped["stack"]] == ["ours, uvicorn", "Channels as shipped"]
    assert (ours["sockets"], ours["lost"], ours["duplicates"], ours["disordered"]) == (20, 0, 0, 0)
    assert ours["delivered"] == ours["published"] * 20 > 0
    assert shipped["delivered"] > 0
    expected = ours["deliveries_per_cpu_second"] / shipped["deliveries_per_cpu_second"]
    assert figures["ratios"] == {"20": pytest.approx(expected)}
    assert [part["name"] for part in figures["parts"]] == [
        "ratio",
        "p99",
        "lost",
        "repeated",
        "disordered",
        "sockets lost",
    ]
    assert all(part["holds"] for part in figures["parts"][2:])


def test_avalanche_opens_every_socket(tmp_path: Path) -> None:
    figures = run_small("avalanche", tmp_path)
    ours, shipped = figures["runs"]
    assert (ours["sockets"], ours["opened"], ours["failures"]) == (40, 40, {})
    assert (shipped["stack"], shipped["sockets"]) == ("Channels as shipped", 20)
    for run in (ours, shipped):
        assert 0 < run["p50"] <= run["p95"] <= run["worst"]
        assert run["resident_after"] > 0
    assert [part["name"] for part in figures["parts"]] == ["ratio", "failed", "p95", "per socket"]


def test_map_shows_every_viewer_the_truth(tmp_path: Path) -> None:
    figures = run_small("map", tmp_path)
    ours, baseline = figures["runs"]
    assert [ours["kind"], baseline["kind"]] == ["conflated", "a message per report"]
    assert (ours["technicians"], baseline["technicians"]) == (40, 20)
    for run in (ours, baseline):
        assert (run["viewers"], run["wrong"], run["went_back"], run["lost_sockets"]) == (4, 0, 0, 0)
        assert run["delivered"] + run["superseded"] == run["published"] * 4 > 0
        assert 0 < run["age_p50_ms"] <= run["age_p99_ms"]
    assert baseline["superseded"] == 0
    assert ours["snapshots"] == 4 + 10
    assert 0 < ours["viewport_bytes"] < ours["full_bytes"]
    assert [part["name"] for part in figures["parts"]] == [
        "ratio",
        "age p99",
        "frames",
        "viewport of 10%: bytes",
        "wrong",
        "went back",
        "sockets lost",
    ]


def test_the_real_map_shows_every_dispatcher_what_the_database_has(tmp_path: Path) -> None:
    figures = run_small("map", tmp_path, "--real", "only", "--technicians", "8", "--viewers", "3")
    assert "runs" not in figures
    real = figures["real"]
    assert (real["technicians"], real["viewers"], real["on_map"]) == (8, 3, 8)
    assert (real["wrong"], real["went_back"], real["lost_sockets"]) == (0, 0, 0)
    account = real["account"]
    assert account["acknowledged"] == account["rows"]
    assert min(account["rows"]) >= 8
    assert account["failed"] == {}
    assert 0 < real["age_p50_ms"] <= real["age_p99_ms"]
    assert 0 < real["viewport_bytes"] < real["full_bytes"]
    assert real["rounds"][0]["usage"]["database"] >= 0
    assert [part["name"] for part in figures["parts"]] == [
        "real age p99",
        "real frames",
        "real viewport",
        "real wrong",
        "real lost",
    ]
    assert [part["holds"] for part in figures["parts"][3:]] == [True, True]


def test_stalled_clients_get_all_that_they_missed(tmp_path: Path) -> None:
    figures = run_small("stalled", tmp_path)
    (run,) = figures["runs"]
    (measured,) = run["rounds"]
    woken = measured["woken"]
    assert measured["let_go"] == 4
    assert woken["too_slow"] + woken["closed"] == 4
    assert (woken["still_open"], woken["confirmed"], woken["failed"]) == (0, 4, {})
    assert run["received"] == run["published"] * 4 > 0
    assert (run["unaccounted"], run["rejected"], run["repeated"]) == (0, 0, 0)
    assert (run["lost"], run["lost_sockets"]) == (0, 0)
    assert [part["name"] for part in figures["parts"]] == [
        "p99 of the others",
        "memory",
        "not told",
        "not back",
        "unaccounted",
        "repeated",
        "lost by the others",
        "sockets lost",
    ]


def test_history_reads_days_from_the_products_tables(tmp_path: Path) -> None:
    figures = run_small("history", tmp_path)
    warm, baseline = figures["runs"]
    assert (warm["kind"], baseline["kind"]) == ("warm", "no index")
    # 281 weekdays of four technicians, 18 fixes each.
    assert (figures["technicians"], figures["fixes"]) == (4, 281 * 4 * 18)
    assert (warm["rows"], baseline["rows"]) == (20 * 18, 5 * 18)
    assert 0 < warm["p50_ms"] <= warm["p99_ms"]
    assert [part["name"] for part in figures["parts"]] == ["ratio", "day p99", "empty days"]


def test_ingest_finds_every_acknowledged_fix_in_the_database(tmp_path: Path) -> None:
    figures = run_small("ingest", tmp_path)
    ours, baseline = figures["runs"]
    assert [ours["stack"], baseline["stack"]] == ["ours", "CreateAPIView, gunicorn"]
    for run in (ours, baseline):
        account = run["account"]
        assert account["acknowledged"] == account["rows"]
        assert len(account["rows"]) == 2
        assert min(account["rows"]) > 0
        assert account["failed"] == {}
        assert run["posts_per_second"] > 0
    # The system counts in hundredths of a second, which the baseline's few posts may not take.
    assert sum(each["usage"]["database"] for each in ours["singles"] + ours["batches"]) > 0
    assert [each["size"] for each in ours["batches"]] == [50] * len(ours["batches"])
    assert ours["batches"][0]["fixes"] % 50 == 0
    assert 0 < ours["p50_ms"] <= ours["p99_ms"]
    assert baseline["batches"] == baseline["latencies"] == []
    expected = ours["posts_per_cpu_second"] / baseline["posts_per_cpu_second"]
    assert figures["parts"][0]["text"].startswith(f"{int(expected * 10) / 10:.1f}x")
    assert [part["name"] for part in figures["parts"]] == [
        "ratio",
        "batches",
        "p99",
        "lost",
        "unacknowledged",
        "failed",
    ]
    assert all(part["holds"] for part in figures["parts"][3:])


def test_a_soak_samples_the_server_while_dispatchers_watch(tmp_path: Path) -> None:
    soak_options = ("--soak-minutes", "0.05", "--sample-seconds", "1", "--viewers", "3")
    figures = run_small("ingest", tmp_path, *soak_options)
    soak = figures["soak"]
    assert (soak["viewers"], soak["unserved"], soak["lost_sockets"]) == (3, 0, 0)
    assert soak["account"]["acknowledged"] == soak["account"]["rows"]
    assert soak["rate"] == soak["limit"] / 2
    assert 2 <= len(soak["samples"]) <= 3
    for sample in soak["samples"]:
        assert sample["resident"] > 30 * 2**20
        assert sample["posts"] > 0
    assert 0 < soak["p50"] <= soak["p99"] <= soak["worst"]
    assert [part["name"] for part in figures["parts"]] == [
        "RSS growth",
        "queue growth",
        "outbox growth",
        "p99",
        "lost",
        "unacknowledged",
        "failed",
        "sockets lost",
        "viewers without news",
    ]


def test_a_machine_without_enough_files_is_told_on_the_last_line() -> None:
    limited = ["bash", "-c", 'ulimit -n 300 && exec "$@"', "-"]
    done = subprocess.run(
        [*limited, *command("avalanche", "--sockets", "5000")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "avalanche: not measured · FAILED: rig"
    assert "5000 sockets need 5256 open files in one process" in done.stderr


def test_the_next_bench_ends_what_a_killed_one_left(tmp_path: Path) -> None:
    bench, _ = start_and_wait()
    bench.kill()
    bench.wait()
    left = int(next((RUNS / f"run-{bench.pid}").glob("server-*.pid")).read_text().split()[0])
    assert is_alive(left)
    run_small("avalanche", tmp_path)
    assert not is_alive(left)
    assert not (RUNS / f"run-{bench.pid}").exists()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_of_a_bench_that_is_stopped(stop: signal.Signals) -> None:
    bench, started = start_and_wait()
    os.kill(bench.pid, stop)
    try:
        assert bench.wait(60) == 128 + stop
    finally:
        bench.kill()
        bench.wait()
    # Python's tracker of resources ends by itself, a moment after us.
    deadline = time.monotonic() + 10
    while left := [pid for pid in started if is_alive(pid)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)
    assert not (RUNS / f"run-{bench.pid}").exists()


def start_and_wait() -> tuple[subprocess.Popen[bytes], list[int]]:
    """A bench that goes on for long, once all of its processes are there; and their ids."""
    bench = subprocess.Popen(
        command("fanout", "--subscribers", "20", "--seconds", "60"),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        # Valkey, server, two drivers, publisher, and Python's own tracker of resources.
        deadline = time.monotonic() + 60
        while len(started := descendants(bench.pid)) < 6:
            assert time.monotonic() < deadline
            assert bench.poll() is None
            time.sleep(0.05)
    except BaseException:
        bench.terminate()
        bench.wait()
        raise
    return bench, started
