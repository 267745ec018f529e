"""What is installed again, and when."""

from __future__ import annotations

from pathlib import Path

import pytest

from sera.cli import bootstrap, frontend, stamps
from sera.cli.console import CommandError


def test_a_stamp_is_current_until_a_file_or_a_fact_changes(tmp_path: Path) -> None:
    file, stamp = tmp_path / "requirements.txt", tmp_path / "made" / "stamp"
    file.write_text("Django==5.2\n")
    before = stamps.digest([file], "3.11.7")
    assert not stamps.is_current(stamp, before)
    stamps.write(stamp, before)
    assert stamps.is_current(stamp, stamps.digest([file], "3.11.7"))
    assert not stamps.is_current(stamp, stamps.digest([file], "3.12.0"))
    file.write_text("Django==5.3\n")
    assert not stamps.is_current(stamp, stamps.digest([file], "3.11.7"))


def test_a_digest_sees_names_as_well_as_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("same")
    one = stamps.digest([tmp_path / "a"])
    (tmp_path / "a").rename(tmp_path / "b")
    assert stamps.digest([tmp_path / "b"]) != one


def test_what_development_pins_is_enough_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, development = tmp_path / "requirements.txt", tmp_path / "requirements-dev.txt"
    runtime.write_text("a==1\n")
    development.write_text("a==1\nb==1\n")
    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    monkeypatch.setattr(bootstrap, "DEVELOPMENT", development)
    stamps.write(tmp_path / "requirements-dev.stamp", stamps.digest([development], "3.11"))
    assert bootstrap.is_installed(runtime, "3.11")
    assert bootstrap.is_installed(development, "3.11")
    assert not bootstrap.is_installed(runtime, "3.12")


def test_a_broken_venv_has_no_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    python = tmp_path / "bin" / "python"
    monkeypatch.setattr(bootstrap, "PYTHON", python)
    assert bootstrap.venv_version() is None
    python.parent.mkdir()
    python.symlink_to("/nonexistent/python3.11")
    assert bootstrap.venv_version() is None


def test_a_python_without_venv_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VENV", "DATA"):
        monkeypatch.setattr(bootstrap, name, tmp_path / name)
    monkeypatch.setattr(bootstrap, "PYTHON", tmp_path / "VENV" / "bin" / "python")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(CommandError, match="comes without venv and pip"):
        bootstrap.ensure_python(development=False)
    assert not (tmp_path / "VENV").exists()


@pytest.mark.parametrize(
    ("version", "enough"),
    [
        ("v20.18.3", False),
        ("v20.19.0", True),
        ("v21.7.3", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v24.0.0", True),
        ("v8.17.0", False),
        ("v100.1.0", True),
        ("nonsense", False),
    ],
)
def test_which_node_is_new_enough(version: str, *, enough: bool) -> None:
    assert frontend.is_new_enough(version) is enough


def test_the_build_reads_sources_only(tmp_path: Path) -> None:
    for name in ("package.json", "src/a.ts", "public/b.svg", "node_modules/x/i.js", "dist/a.js"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    found = [str(path.relative_to(tmp_path)) for path in frontend.source_files(tmp_path)]
    assert found == ["package.json", "public/b.svg", "src/a.ts"]
