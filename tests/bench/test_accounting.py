"""The operating system's accounts, read for processes whose use is known."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from bench.accounting import (
    Meter,
    Usage,
    busy_seconds,
    busy_ticks,
    cpu_seconds,
    family_cpu_seconds,
    resident_bytes,
)
from sera.services.process_tree import descendants

MEBIBYTE = 1024 * 1024

# Each step waits for a line, does its work, and says what it used of the CPU so far.
CHILD = """
import os, sys, threading, time

def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass

for line in sys.stdin:
    if line == "burn\\n":
        thread = threading.Thread(target=burn, args=(0.5,))
        thread.start()
        thread.join()
    elif line == "have burnt\\n":
        child = os.fork()
        if not child:
            burn(0.5)
            os._exit(0)
        os.waitpid(child, 0)
    elif line == "let burn\\n":
        told, tell = os.pipe()
        if not os.fork():
            burn(0.5)
            os.write(tell, b"x")
            time.sleep(60)
        os.read(told, 1)
    elif line == "fill\\n":
        kept = b"x" * (64 * 1024 * 1024)
    print(time.process_time(), flush=True)
"""

Step = Callable[[str], float]


@pytest.fixture
def child() -> Iterator[tuple[int, Step]]:
    """Its process id, and what makes it do something and returns its CPU time, seconds."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def step(what: str) -> float:
        stdin.write(f"{what}\n")
        stdin.flush()
        return float(stdout.readline())

    yield process.pid, step
    stdin.close()
    process.wait(10)
    stdout.close()


def test_cpu_seconds_count_all_threads_and_no_waiting(child: tuple[int, Step]) -> None:
    pid, step = child
    before = step("nothing")
    assert cpu_seconds(pid) == pytest.approx(before, abs=0.05)
    after = step("burn")
    assert after - before >= 0.5
    assert cpu_seconds(pid) == pytest.approx(after, abs=0.05)


@pytest.mark.parametrize("what", ["have burnt", "let burn"])
def test_a_family_s_cpu_seconds_count_children_that_run_and_that_have_ended(
    child: tuple[int, Step], what: str
) -> None:
    pid, step = child
    alone = step("nothing")
    before = family_cpu_seconds(pid)
    assert before == pytest.approx(alone, abs=0.05)
    assert step(what) == pytest.approx(alone, abs=0.1)
    assert family_cpu_seconds(pid) - before == pytest.approx(0.5, abs=0.1)
    for below in descendants(pid):
        os.kill(below, signal.SIGKILL)


def test_resident_bytes_grow_by_what_is_kept(child: tuple[int, Step]) -> None:
    pid, step = child
    step("nothing")
    before = resident_bytes(pid)
    step("fill")
    assert 64 * MEBIBYTE <= resident_bytes(pid) - before < 66 * MEBIBYTE


def test_a_core_is_busy_with_what_is_pinned_to_it(child: tuple[int, Step]) -> None:
    pid, step = child
    core = min(os.sched_getaffinity(0))
    os.sched_setaffinity(pid, {core})
    before = busy_seconds({core})
    step("burn")
    assert busy_seconds({core}) - before >= 0.45
    assert busy_seconds(set()) == 0.0


def test_a_core_is_not_busy_while_it_idles_or_waits_for_a_disk() -> None:
    stat = (
        "cpu  9 9 9 9 9 9 9 9 9 9\n"
        "cpu0 1 20 300 4000 50000 600000 7000000 80000000 900000000 900000000\n"
        "cpu1 1 0 0 0 0 0 0 0 0 0\n"
        "cpu10 5 0 0 0 0 0 0 0 0 0\n"
        "intr 77 0\n"
    )
    assert busy_ticks(stat, {0}) == 87_600_321
    assert busy_ticks(stat, {1, 10}) == 6


def test_a_meter_reads_each_process_for_itself(child: tuple[int, Step]) -> None:
    pid, step = child
    cores = os.sched_getaffinity(0)
    meter = Meter(
        server=pid,
        valkey=os.getppid(),
        publisher=None,
        drivers=[os.getpid(), pid],
        server_cores=cores,
        other_cores=cores,
    )
    step("burn")
    meter.restart()
    step("burn")
    usage = meter.read()
    assert usage.server == pytest.approx(0.5, abs=0.1)
    assert usage.drivers[1] == usage.server
    assert usage.publisher == 0.0
    assert usage.wall >= 0.45
    assert usage.other_cores_count == len(cores)


def test_what_other_programs_took_is_the_rest_of_the_core_they_disturbed_more() -> None:
    usage = Usage(
        wall=10.0,
        server=6.0,
        valkey=1.0,
        publisher=2.0,
        drivers=[3.0, 4.0],
        server_core=7.0,
        other_cores=16.0,
        other_cores_count=2,
        database=1.0,
    )
    assert usage.server_share == 0.6
    assert usage.rig_share == 0.8
    assert usage.busiest_driver_share == 0.4
    assert usage.disturbance == 0.25  # of two cores, 16 - 11 of 20; of the server's, 1 of 10
