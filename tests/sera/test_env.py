"""The environment: read once, refused at boot with the variable's name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import AnyUrl

from sera.env import ConfigurationError, Env, next_redis_database, read_env

GOOD = {
    "SECRET_KEY": "s" * 32,
    "DATABASE_URL": "postgres://sera:pw@db.example:5433/sera",
    "REDIS_URL": "redis://:pw@cache.example:6380/2",
}
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _only_these(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Env.model_fields:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(Env.model_config, "env_file", None)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


def test_what_is_needed_is_enough() -> None:
    env = read_env()
    assert (env.DEBUG, env.BASE_DOMAIN, env.DATABASE_POOL_SIZE) == (False, "localhost", 12)
    assert str(env.DATABASE_URL) == GOOD["DATABASE_URL"]


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_variable_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(ConfigurationError, match=f"  {name}: Field required"):
        read_env()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SECRET_KEY", "short", "at least 32 characters"),
        ("DATABASE_URL", "mysql://db/sera", "should be 'postgres' or 'postgresql'"),
        ("REDIS_URL", "localhost:6379", "should be 'redis' or 'rediss'"),
        ("REDIS_URL", "redis://cache/main", "must end with the number of a database"),
        ("DEBUG", "perhaps", "valid boolean"),
        ("DATABASE_POOL_SIZE", "0", "greater than or equal to 1"),
        ("LOG_LEVEL", "LOUD", "must be one of DEBUG, INFO"),
        ("LOG_FORMAT", "xml", "should match pattern"),
        ("ROUTING_ENGINE", "google", "should match pattern"),
    ],
)
def test_a_wrong_value_is_named_and_not_repeated(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        read_env()
    assert f"  {name}: " in str(caught.value)
    assert said in str(caught.value)
    assert value not in str(caught.value).replace("postgresql", "")


def test_an_engine_has_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (read_env().ROUTING_ENGINE, read_env().ROUTING_URL) == ("", "")
    monkeypatch.setenv("ROUTING_ENGINE", "osrm")
    for wrong in (None, "", "10.0.0.9:5000", "ftp://10.0.0.9", "http://", "http://a/?b"):
        if wrong is not None:
            monkeypatch.setenv("ROUTING_URL", wrong)
        with pytest.raises(ConfigurationError, match=r"  ROUTING_URL: .*must be the http://"):
            read_env()
    monkeypatch.setenv("ROUTING_URL", "http://10.0.0.9:5000/osrm")
    assert read_env().ROUTING_URL == "http://10.0.0.9:5000/osrm"


def test_all_mistakes_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBUG", "perhaps")
    monkeypatch.delenv("REDIS_URL")
    with pytest.raises(ConfigurationError) as caught:
        read_env()
    assert "  DEBUG: " in str(caught.value)
    assert "  REDIS_URL: " in str(caught.value)


def test_hosts_are_split_at_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXTRA_PUBLIC_HOSTS", "a.example, b.example,")
    assert read_env().EXTRA_PUBLIC_HOSTS == ["a.example", "b.example"]


@pytest.mark.parametrize(
    ("url", "following"),
    [
        ("redis://:pw@cache.example:6380/2", "redis://:pw@cache.example:6380/3"),
        ("redis://cache.example", "redis://cache.example:6379/1"),
    ],
)
def test_the_cache_has_the_next_database(url: str, following: str) -> None:
    assert next_redis_database(AnyUrl(url)).replace("example/", "example:6379/") == following


def test_manage_py_ends_with_one_clear_answer() -> None:
    environment = {**os.environ, "DEBUG": "perhaps"}
    ended = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert "  DEBUG: " in ended.stderr
    assert "Traceback" not in ended.stderr
