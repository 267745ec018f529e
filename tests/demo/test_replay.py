"""`./dev replay` against a small fake of the API: what is sent, what is said, what is refused."""

import io
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import gpxpy
import pytest

from demo import replay as replay_module
from demo.backoff import Backoff
from demo.progress import Progress
from demo.replay import main, parse, replay
from demo.tracks import make
from demo.world import load_company
from tests.demo.fake_sera import FakeClock, FakeSera

TRACK = Path(make.__file__).with_name("karhula.gpx")


@pytest.fixture
def sera() -> Iterator[FakeSera]:
    with FakeSera() as fake:
        yield fake


def run(sera: FakeSera, *arguments: str, file: Path = TRACK, who: str = "Ada Fox") -> int:
    return main(
        [str(file), "--company", "acme", "--technician", who, "--port", str(sera.port), *arguments]
    )


def file_points() -> list[tuple[datetime, float, float]]:
    segment = gpxpy.parse(TRACK.read_text()).tracks[0].segments[0]
    return [(p.time, p.latitude, p.longitude) for p in segment.points if p.time]


def stored_points(sera: FakeSera) -> list[tuple[datetime, float, float]]:
    return [
        (datetime.fromisoformat(f["recorded_at"]), f["lat"], f["lon"]) for f in sera.stored.values()
    ]


def test_what_arrives_equals_the_file_and_a_second_time_changes_nothing(
    sera: FakeSera, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(sera, "--speed", "max") == 0
    assert stored_points(sera) == file_points()
    said = capsys.readouterr().out
    assert "172 points over 12 min 4 s, sent as fast as possible" in said
    assert "add --now to watch it drive" in said
    assert "172 points: 172 stored, 0 were there already, 0 rejected" in said
    assert "first  2026-11-02T07:30:00.000Z  60.53064, 26.953094" in said
    assert "last   2026-11-02T07:42:04.000Z  60.529323, 26.931306" in said
    assert run(sera, "--speed", "max", who="ada.fox@acme.test") == 0
    assert "172 points: 0 stored, 172 were there already, 0 rejected" in capsys.readouterr().out
    assert len(sera.stored) == 172


async def test_the_pace_follows_the_files_times(sera: FakeSera) -> None:
    clock = FakeClock()
    wanted = parse(
        [str(TRACK), "--company=acme", "--technician=ada fox", "--speed=10", f"--port={sera.port}"]
    )
    started = clock.now()
    await replay(wanted, clock=clock, progress=Progress(io.StringIO()))
    taken = (clock.now() - started).total_seconds()
    assert taken == pytest.approx(72.4, abs=1)
    sizes = [len(p.body) if isinstance(p.body, list) else 1 for p in sera.posts()]
    assert sum(sizes) == 172
    assert max(sizes) <= 4  # half a second at ten times the speed, at a point every two seconds
    assert min(clock.sleeps) >= 0.5
    assert stored_points(sera) == file_points()


async def test_now_drives_at_the_present(sera: FakeSera) -> None:
    clock = FakeClock()
    wanted = parse(
        [str(TRACK), "--company=acme", "--technician=ada fox", "--now", f"--port={sera.port}"]
    )
    started = clock.now()
    out = io.StringIO()
    await replay(wanted, clock=clock, progress=Progress(out))
    times = [time for time, _, _ in stored_points(sera)]
    assert times[0] == started
    assert times[-1] == started + timedelta(minutes=12, seconds=4)
    assert times[-1] - clock.now() < timedelta(seconds=1)
    assert "add --now" not in out.getvalue()
    assert "  171/172 sent" in out.getvalue() or "  170/172 sent" in out.getvalue()


def test_a_rejected_point_is_told_and_fails_the_command(
    sera: FakeSera, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.gpx"
    bad.write_text(TRACK.read_text().replace('lat="60.53064"', 'lat="91.0"', 1))
    assert run(sera, "--speed", "max", file=bad) == 1
    said = capsys.readouterr().out
    assert "rejected 2026-11-02T07:30:00.000Z: lat=91.0: must be from -90 to 90" in said
    assert "172 points: 171 stored, 0 were there already, 1 rejected" in said
    assert len(sera.stored) == 171


def test_a_server_that_restarts_meanwhile_loses_nothing(
    sera: FakeSera, capsys: pytest.CaptureFixture[str]
) -> None:
    sera.faults = [(503, {}), (502, {})]
    assert run(sera, "--speed", "max") == 0
    assert len(sera.stored) == 172
    assert "answers 503; trying again" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("who", "arguments", "says", "status"),
    [
        ("Ada Fux", [], "acme has no technician 'Ada Fux'; it has Ada Fox, Ben Okafor", 2),
        ("ada.fox@acme.test", ["--password", "x"], "refuses the login of ada.fox@acme.test", 1),
        ("ada.fox@acme.test", ["--interval", "0"], "--interval is 0.0; it must be above 0", 2),
        ("ada.fox@acme.test", ["--interval", "1"], "would replace real times", 1),
        ("ada.fox@acme.test", ["--base-url", "x"], "URL 'x' is not of the form", 2),
    ],
)
def test_a_mistake_is_one_clear_line(
    sera: FakeSera,
    capsys: pytest.CaptureFixture[str],
    who: str,
    arguments: list[str],
    says: str,
    status: int,
) -> None:
    assert run(sera, *arguments, who=who) == status
    printed = capsys.readouterr()
    assert says in printed.err
    assert printed.err.startswith("replay: ")
    assert printed.err.count("\n") == 1
    assert sera.stored == {}


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "nan", "inf"])
def test_a_speed_is_a_number_above_zero_or_max(
    sera: FakeSera, capsys: pytest.CaptureFixture[str], speed: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(sera, f"--speed={speed}")
    assert f"'{speed}' is neither a number above 0 nor max" in capsys.readouterr().err


def test_a_company_outside_the_demo_needs_an_address(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(TRACK), "--company", "initech", "--technician", "Bill"]) == 2
    assert "give --technician as an e-mail address" in capsys.readouterr().err


def test_who_is_no_technician_is_refused(
    sera: FakeSera, capsys: pytest.CaptureFixture[str]
) -> None:
    sera.me = {"role": "owner", "technician": None}
    assert run(sera, who="owner@acme.test") == 1
    assert "owner@acme.test is no technician (owner)" in capsys.readouterr().err
    assert sera.posts() == []


def test_a_server_that_is_down_is_said(
    sera: FakeSera, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_module, "BRISK", Backoff(first=0.0, limit=0.0, attempts=2))
    with FakeSera() as gone:
        pass
    assert run(gone) == 1
    assert f"replay: {gone.url} does not answer" in capsys.readouterr().err


def test_the_samples_are_what_the_script_writes() -> None:
    for name, schema, customers, start in make.TRACKS:
        written = Path(make.__file__).with_name(f"{name}.gpx").read_text()
        again = make.record(load_company(schema), customers, start)
        assert again.to_xml(prettyprint=True) == written
        assert "not recorded by a person" in written
