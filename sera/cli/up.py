"""`./dev up`: services, migrations, demo data, and the processes, until somebody says stop."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

from demo import world
from sera.cli import interrupts, run_record
from sera.cli.console import TAIL_LINES, CommandError, run_step, say, tail, warn
from sera.cli.embedded import Watch, running_services
from sera.cli.environment import temporary_files, tool_environment, user_settings
from sera.cli.frontend import ensure_built
from sera.cli.locks import Busy, exclusive
from sera.cli.log_view import LogView
from sera.cli.paths import DATA, LOGS, PYTHON, ROOT
from sera.cli.processes import Program, Supervisor
from sera.services import ports

# A cold start imports all of Django on a slow disk; later starts take 2 to 3 s.
READY_SECONDS = 90.0
# The web process closes its sockets and finishes open requests.
WEB_STOP_SECONDS = 10
# Nobody here has so many clients that they should leave one by one.
WEB_DRAIN_SECONDS = 1
# A worker finishes its task; a task that is cut off runs again (acks_late).
WORKER_STOP_SECONDS = 10
_PROBE_SECONDS = 3
_POLL_SECONDS = 0.1


def up(options: Namespace) -> int:
    """Run Sera in the foreground; return the exit status.

    Raises:
        CommandError: something did not start or keep running.
        Interrupted: the person ended it; all that it started is gone.
    """
    DATA.mkdir(exist_ok=True)
    try:
        with exclusive(run_record.LOCK, wait=False):
            return _up(options)
    except Busy:
        run = run_record.read()
        where = f" at {run.address} (process {run.pid})" if run else ""
        raise CommandError(f"Sera is already running{where}; ./dev down stops it") from None


def _up(options: Namespace) -> int:
    if ended := run_record.clear_leftovers():
        say(f"Ended what an earlier run had left: {', '.join(ended)}")
    check_port(options.port)
    settings = user_settings()
    ensure_built()
    with running_services(settings) as variables:
        drain = settings.get("DRAIN_SECONDS", str(WEB_DRAIN_SECONDS))
        env = {
            **tool_environment(),
            **variables,
            **_scratch_folder(),
            "DRAIN_SECONDS": drain,
        }
        _manage("Migrating the database", "migrate_all", env)
        if options.demo:
            _manage("Preparing the demo's companies", "seed_demo", env)
        domain = settings.get("BASE_DOMAIN", "localhost")
        _serve(options, env, domain, Watch(settings))
    return 0


def _scratch_folder() -> dict[str, str]:
    """Return TMPDIR for one run: Celery's killed children leave folders there."""
    if "TMPDIR" not in temporary_files():
        return {}
    scratch = Path(temporary_files()["TMPDIR"]) / "up"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    return {"TMPDIR": str(scratch)}


def _serve(options: Namespace, env: Mapping[str, str], domain: str, watch: Watch) -> None:
    address = f"http://{domain}:{options.port}"

    def record(processes: Sequence[run_record.Process]) -> None:
        run_record.write(
            run_record.Run(pid=os.getpid(), address=address, processes=tuple(processes))
        )

    supervisor = Supervisor(env=env, logs=LOGS, record=record)
    try:
        web, *others = programs(options, domain)
        views = [_start(supervisor, web)]
        _wait_until_ready(supervisor, options.port)
        views += [_start(supervisor, program) for program in others]
        say(summary(options, domain))
        while True:
            interrupts.check()
            supervisor.check()
            for name in watch.check():
                warn(f"{name} had ended; it runs again")
            for view in views:
                view.show_new()
            time.sleep(_POLL_SECONDS)
    finally:
        say("Stopping …")
        supervisor.stop_all()
        run_record.RECORD.unlink(missing_ok=True)


def programs(options: Namespace, domain: str) -> list[Program]:
    """Return what `up` runs, in the order of starting; the web process first."""
    python = str(PYTHON)
    celery = (python, "-m", "celery", "-A", "sera.celery:app")
    level = ("--loglevel", "INFO")
    schedule = DATA / "celerybeat-schedule"
    wanted = [
        Program(
            name="web",
            command=(
                *(python, "-m", "cable.servers.uvicorn", "sera.asgi:application"),
                *("--host", options.host, "--port", str(options.port)),
                # The implementation with write back-pressure. Compression would cost each
                # socket more memory than everything else together.
                # A header names the client's address only where a proxy of ours stands before it.
                "--no-proxy-headers",
                *("--ws", "websockets-sansio", "--ws-per-message-deflate", "false"),
                *("--timeout-graceful-shutdown", str(WEB_STOP_SECONDS - 2)),
            ),
            stop_seconds=WEB_STOP_SECONDS,
        ),
        Program(
            name="worker",
            command=(*celery, "worker", "--pool", "prefork", "--concurrency", "1", *level),
            stop_seconds=WORKER_STOP_SECONDS,
        ),
        Program(
            name="beat",
            command=(*celery, "beat", "--schedule", str(schedule), "--pidfile", "", *level),
            stop_seconds=5,
        ),
    ]
    if options.demo:
        fleet = (python, "-m", "demo.fleet", "--base-domain", domain, "--port", str(options.port))
        wanted.append(Program(name="fleet", command=fleet, stop_seconds=5, essential=False))
    return wanted


def summary(options: Namespace, domain: str) -> str:
    """Return what the person needs now: addresses, logins, how to stop."""
    base = f"{domain}:{options.port}"
    lines = ["", "Sera is running.", "", f"  Staff admin   http://{base}/admin/"]
    if options.demo:
        lines += [f"  {name:<13} http://{name}.{base}/" for name in world.SCHEMAS]
        lines += [
            "",
            "  Demo logins, all with the password " + world.PASSWORD,
            *(
                f"    {name:<10} owner@{name}.test · dispatcher@{name}.test"
                for name in world.SCHEMAS
            ),
            f"    {'staff':<10} staff@sera.test",
            f"    {'phones':<10} spare.phone@acme.test drives nowhere by itself: README says how "
            "to be a phone",
        ]
    return "\n".join([*lines, "", f"  Logs are in {LOGS}", "  Ctrl-C stops everything.", ""])


def _start(supervisor: Supervisor, program: Program) -> LogView:
    return LogView(program.name, supervisor.start(program).log)


def check_port(port: int) -> None:
    """Raise CommandError if somebody else serves on `port`."""
    if not ports.is_free(port):
        raise CommandError(
            f"Port {port} is in use by another program; "
            f"end that, or choose another port: ./dev up --port {port + 1}"
        )


def _manage(title: str, command: str, env: Mapping[str, str]) -> None:
    run_step(
        title,
        [str(PYTHON), "manage.py", command],
        log=LOGS / f"{command}.log",
        env=env,
        cwd=ROOT,
    )


def _wait_until_ready(supervisor: Supervisor, port: int) -> None:
    """Return when /readyz says 200.

    Raises:
        CommandError: the web process ended, or was not ready after READY_SECONDS.
    """
    web = supervisor.children[0]
    deadline = time.monotonic() + READY_SECONDS
    answer = "no answer"
    while time.monotonic() < deadline:
        interrupts.check()
        if web.process.poll() is not None:
            problem = "ended at once"
            break
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, answer = _get(port, "/readyz")
            if status == 200:
                return
        time.sleep(_POLL_SECONDS)
    else:
        problem = f"was not ready after {READY_SECONDS:.0f} s ({answer})"
    raise CommandError(
        f"The web process {problem}. Its last lines:\n{tail(web.log, TAIL_LINES)}\n"
        f"All of it is in {web.log}"
    )


def _get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(ports.LOOPBACK, port, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read(1000).decode(errors="replace")
    finally:
        connection.close()
