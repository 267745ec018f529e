"""Processes that `up` watches, and what is left of a killed run."""

from __future__ import annotations

import errno
import io
import os
import signal
import socket
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from sera.cli import console, interrupts, run_record, up
from sera.cli.console import CommandError, run_step
from sera.cli.log_view import LogView, is_important
from sera.cli.processes import RESTARTS, Program, Supervisor, run_foreground
from sera.services.process_tree import descendants, is_alive, start_mark

SLEEP = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)")
STUBBORN = (
    "import signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "child = subprocess.Popen(['sleep', '60']); print(child.pid, flush=True); time.sleep(60)"
)


def until(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.01)


@pytest.fixture
def records() -> list[list[run_record.Process]]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, records: list[list[run_record.Process]]) -> Iterator[Supervisor]:
    def record(processes: Sequence[run_record.Process]) -> None:
        records.append(list(processes))

    made = Supervisor(env=os.environ, logs=tmp_path, record=record)
    yield made
    made.stop_all()


def test_children_are_recorded_and_stopped_last_first(
    supervisor: Supervisor, records: list[list[run_record.Process]]
) -> None:
    web = supervisor.start(Program(name="web", command=SLEEP, stop_seconds=5))
    beat = supervisor.start(Program(name="beat", command=SLEEP, stop_seconds=5))
    assert [each.name for each in records[-1]] == ["web", "beat"]
    assert [each.pid for each in records[-1]] == [web.process.pid, beat.process.pid]
    assert all(each.is_alive() for each in records[-1])
    until(lambda: web.log.read_text() == beat.log.read_text() == "up\n")
    last = records[-1]
    supervisor.stop_all()
    assert (web.process.returncode, beat.process.returncode) == (-15, -15)
    assert [each.is_alive() for each in last] == [False, False]
    assert records[-1] == []


def test_a_child_that_does_not_stop_is_killed_with_its_children(
    supervisor: Supervisor, capsys: pytest.CaptureFixture[str]
) -> None:
    command = (sys.executable, "-c", STUBBORN)
    child = supervisor.start(Program(name="worker", command=command, stop_seconds=0.2))
    until(lambda: child.log.read_text().endswith("\n"))
    grandchild = int(child.log.read_text())
    assert descendants(child.process.pid) == [grandchild]
    supervisor.stop_all()
    until(lambda: not is_alive(grandchild))
    assert capsys.readouterr().err == "worker did not stop in time and is killed\n"


def test_a_killed_child_comes_back(
    supervisor: Supervisor, records: list[list[run_record.Process]]
) -> None:
    child = supervisor.start(Program(name="web", command=SLEEP, stop_seconds=5))
    first = child.process.pid
    child.process.kill()
    child.process.wait()
    supervisor.check()
    assert child.process.pid != first
    assert child.process.poll() is None
    assert [each.pid for each in records[-1]] == [child.process.pid]


def test_a_child_that_always_dies_brings_up_down(supervisor: Supervisor) -> None:
    command = (sys.executable, "-c", "print('no database'); raise SystemExit(3)")
    child = supervisor.start(Program(name="web", command=command, stop_seconds=5))
    for _ in range(RESTARTS):
        child.process.wait()
        supervisor.check()
    child.process.wait()
    with pytest.raises(CommandError) as error:
        supervisor.check()
    assert str(error.value) == (
        "web ended 4 times within 60 s, last with exit status 3. Its last lines:\n"
        + "  | no database\n" * (RESTARTS + 1)
        + f"All of it is in {child.log}"
    )


def test_without_the_demo_fleet_sera_goes_on(
    supervisor: Supervisor, capsys: pytest.CaptureFixture[str]
) -> None:
    command = (sys.executable, "-c", "")
    program = Program(name="fleet", command=command, stop_seconds=5, essential=False)
    child = supervisor.start(program)
    for _ in range(RESTARTS + 1):
        child.process.wait()
        supervisor.check()
    assert supervisor.children == []
    assert "fleet ended 4 times within 60 s" in capsys.readouterr().err


def test_what_a_killed_run_left_is_ended_and_others_are_not(tmp_path: Path) -> None:
    left = subprocess.Popen(SLEEP, start_new_session=True, stdout=subprocess.DEVNULL)
    bystander = subprocess.Popen(SLEEP, start_new_session=True, stdout=subprocess.DEVNULL)
    try:
        processes = (
            run_record.Process("web", left.pid, start_mark(left.pid)),
            # The id of a process that ended long ago, now somebody else's.
            run_record.Process("worker", bystander.pid, "1"),
        )
        path = tmp_path / "run.json"
        run_record.write(
            run_record.Run(pid=1, address="http://localhost:8000", processes=processes), path
        )
        run = run_record.read(path)
        assert run is not None
        assert run.processes == processes
        assert run_record.end_leftovers(run.processes) == ["web"]
        assert left.wait(5) == -signal.SIGTERM
        assert bystander.poll() is None
    finally:
        for each in (left, bystander):
            each.kill()
            each.wait()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"pid": 1}', '{"pid":1,"address":"","processes":[{}]}']
)
def test_a_half_written_record_is_no_record(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text)
    assert run_record.read(path) is None


def test_a_used_port_is_answered_in_one_line() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(CommandError) as error:
            up.check_port(port)
    assert str(error.value) == (
        f"Port {port} is in use by another program; end that, or choose another port: "
        f"./dev up --port {port + 1}"
    )
    up.check_port(port)


def test_the_summary_has_what_a_person_needs_now() -> None:
    lines = up.summary(Namespace(port=8001, demo=True), "localhost").splitlines()
    assert "  Staff admin   http://localhost:8001/admin/" in lines
    assert "  acme          http://acme.localhost:8001/" in lines
    assert "  globex        http://globex.localhost:8001/" in lines
    assert "  Demo logins, all with the password demo-sera" in lines
    assert "    acme       owner@acme.test · dispatcher@acme.test" in lines
    assert "acme" not in up.summary(Namespace(port=8001, demo=False), "localhost")


def test_a_failed_step_shows_its_last_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "step.log"
    command = [sys.executable, "-c", "for n in range(99): print(n)\nraise SystemExit(2)"]
    with pytest.raises(CommandError) as error:
        run_step("Counting", command, log=log, env=os.environ, cwd=tmp_path)
    lines = str(error.value).splitlines()
    assert lines[0] == "Counting: exit status 2. Its last lines:"
    assert lines[1:-1] == [f"  | {number}" for number in range(84, 99)]
    assert lines[-1] == f"All of it is in {log}"
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "Counting …"
    assert shown[1].startswith("Counting … failed in ")
    assert len(shown) == 2


def test_an_interrupted_step_takes_its_children_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "STOP_SECONDS", 0.1)
    log = tmp_path / "step.log"
    stop_us = f"import os; {STUBBORN}".replace(
        "time.sleep", "os.kill(os.getppid(), 15); time.sleep"
    )
    with interrupts.deferred(), pytest.raises(interrupts.Interrupted) as interrupted:
        run_step("Sleeping", [sys.executable, "-c", stop_us], log=log, env=os.environ, cwd=tmp_path)
    assert interrupted.value.exit_status == 128 + 15
    grandchild = int(log.read_text())
    until(lambda: not is_alive(grandchild))


class ClosedTerminal(io.StringIO):
    """What standard output is after SIGHUP."""

    def write(self, _text: str) -> int:
        raise OSError(errno.EIO, "Input/output error")


def test_after_its_terminal_was_closed_everything_is_still_stopped(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = (sys.executable, "-c", STUBBORN)
    child = supervisor.start(Program(name="worker", command=command, stop_seconds=0.1))
    until(lambda: child.log.read_text().endswith("\n"))
    monkeypatch.setattr(sys, "stdout", ClosedTerminal())
    monkeypatch.setattr(sys, "stderr", ClosedTerminal())
    console.say("Stopping …")
    supervisor.stop_all()
    assert child.process.returncode == -signal.SIGKILL


def test_a_foreground_command_gets_sigterm_and_its_status_is_ours() -> None:
    assert run_foreground([sys.executable, "-c", "raise SystemExit(7)"], env=os.environ) == 7
    program = "import os, signal, time; os.kill(os.getppid(), signal.SIGTERM); time.sleep(60)"
    with interrupts.deferred():
        assert run_foreground([sys.executable, "-c", program], env=os.environ) == 128 + 15
        assert interrupts.count() == 1


def test_only_lines_about_trouble_reach_the_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "web.log"
    view = LogView("web", log)
    view.show_new()
    log.write_text("GET / 200\n2026-11-24 [error    ] no database\npart of a warn")
    view.show_new()
    with log.open("a") as more:
        more.write("ing, warning\nfine\n")
    view.show_new()
    view.show_new()
    assert capsys.readouterr().err == (
        "web | 2026-11-24 [error    ] no database\nweb | part of a warning, warning\n"
    )
    log.write_text("")  # moved aside
    view.show_new()
    log.write_text("error\n" * 25)
    view.show_new()
    assert capsys.readouterr().err.splitlines()[-1] == f"web | … 15 more in {log}"


@pytest.mark.parametrize(
    ("line", "important"),
    [
        ("INFO: Uvicorn running", False),
        ("GET /errors/ 200", False),
        ("WARNING: low disk", True),
        ("Traceback (most recent call last):", False),
        ("psycopg.OperationalError: gone", True),
    ],
)
def test_which_lines_are_important(line: str, *, important: bool) -> None:
    assert is_important(line) is important
