"""`.env`, the secret key, and caches."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from sera.cli.console import CommandError
from sera.cli.embedded import psql_environment, servers
from sera.cli.environment import (
    read_dotenv,
    secret_key,
    settings,
    temporary_files,
    tool_environment,
)
from sera.cli.paths import DATA


def test_a_dotenv_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "# our own server\n\n"
        "DATABASE_URL=postgres://me:p#w=1@db:5432/sera\n"
        "export REDIS_URL = 'redis://cache:6379/0' # not this one\n"
        'SECRET_KEY="a # b"\n'
        "LOG_LEVEL=DEBUG # loud\n"
        "EMPTY=\n"
    )
    assert read_dotenv(file) == {
        "DATABASE_URL": "postgres://me:p#w=1@db:5432/sera",
        "REDIS_URL": "redis://cache:6379/0",
        "SECRET_KEY": "a # b",
        "LOG_LEVEL": "DEBUG",
        "EMPTY": "",
    }


def test_no_dotenv_file_means_nothing_is_set(tmp_path: Path) -> None:
    assert read_dotenv(tmp_path / ".env") == {}


def test_a_line_that_is_no_assignment_is_named(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("A=1\nDATABASE_URL postgres://db\n")
    with pytest.raises(CommandError) as error:
        read_dotenv(file)
    assert str(error.value) == (
        f"{file}, line 2: 'DATABASE_URL postgres://db' should read NAME=value"
    )


def test_the_environment_wins_over_the_file_and_empty_is_unset() -> None:
    dotenv = {"DATABASE_URL": "postgres://file", "REDIS_URL": "redis://file"}
    environ = {"DATABASE_URL": "postgres://env", "REDIS_URL": ""}
    assert settings(environ, dotenv) == {"DATABASE_URL": "postgres://env"}


@pytest.mark.parametrize(
    ("given", "started"),
    [
        ({}, ["DATABASE_URL", "REDIS_URL"]),
        ({"DATABASE_URL": "postgres://db/sera"}, ["REDIS_URL"]),
        ({"DATABASE_URL": "postgres://db/sera", "REDIS_URL": "redis://cache"}, []),
    ],
)
def test_a_service_that_the_person_brings_is_not_started(
    given: dict[str, str], started: list[str]
) -> None:
    assert list(servers(given)) == started


def test_a_damaged_secret_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"
    path.touch()
    with pytest.raises(CommandError, match=f"{path} is damaged: it holds 0 characters"):
        secret_key(path)


def test_the_secret_key_is_made_once_and_only_ours_to_read(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret_key"
    key = secret_key(path)
    assert len(key) == 64
    assert secret_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert secret_key(tmp_path / "other") != key


def test_caches_stay_in_the_clone_and_the_persons_indexes_in_force(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    monkeypatch.setenv("PIP_CACHE_DIR", "/home/somebody/.cache/pip")
    env = tool_environment()
    assert env["PIP_INDEX_URL"] == "https://index.example/simple"
    names = ("PIP_CACHE_DIR", "npm_config_cache", "NODE_COMPILE_CACHE", "XDG_CACHE_HOME")
    for name in names:
        assert Path(env[name]).is_relative_to(DATA / "cache")


def test_a_deep_clone_keeps_sockets_among_the_systems_temporary_files() -> None:
    deep = Path("/" + "d" * 60)
    assert temporary_files(deep) == {}


def test_psql_gets_the_url_without_showing_it() -> None:
    assert psql_environment("postgres://sera:p%40ss@127.0.0.1:15432/sera") == {
        "PGHOST": "127.0.0.1",
        "PGPORT": "15432",
        "PGUSER": "sera",
        "PGPASSWORD": "p@ss",
        "PGDATABASE": "sera",
    }
    assert psql_environment("postgres:///sera") == {"PGDATABASE": "sera"}
