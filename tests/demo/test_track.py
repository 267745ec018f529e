"""Reading GPX: what is kept, and what is said about files that cannot be replayed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from demo import track as track_module
from demo.schedule import LONGEST_PAUSE_SECONDS, longest_gap, schedule
from demo.track import Track, TrackError, read_track

HEAD = '<?xml version="1.0"?><gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1">'
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def gpx(*segments: list[str], more: str = "") -> str:
    body = "".join(f"<trkseg>{''.join(points)}</trkseg>" for points in segments)
    return f"{HEAD}{more}<trk>{body}</trk></gpx>"


def pt(lat: float, lon: float, time: str = "", inside: str = "") -> str:
    return (
        f'<trkpt lat="{lat}" lon="{lon}">{f"<time>{time}</time>" if time else ""}{inside}</trkpt>'
    )


def read(tmp_path: Path, content: str | bytes, *, interval: float | None = None) -> Track:
    path = tmp_path / "track.gpx"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_track(path, interval=interval)


def test_points_keep_the_files_times_and_coordinates(tmp_path: Path) -> None:
    track = read(
        tmp_path,
        gpx(
            [
                pt(60.123456789, 24.9, "2026-11-02T07:30:00.123Z", "<ele>12.5</ele>"),
                pt(60.1235, 24.9, "2026-11-02T09:30:02+02:00"),
            ],
            [pt(-60.2, -24.9, "2026-11-02T07:40:00")],
        ),
    )
    assert [(p.index, p.recorded_at, p.lat, p.lon, p.altitude) for p in track.points] == [
        (0, datetime(2026, 11, 2, 7, 30, 0, 123_000, UTC), 60.123456789, 24.9, 12.5),
        (1, datetime(2026, 11, 2, 7, 30, 2, 0, UTC), 60.1235, 24.9, None),
        (2, datetime(2026, 11, 2, 7, 40, 0, 0, UTC), -60.2, -24.9, None),
    ]
    assert track.duration == timedelta(minutes=10) - timedelta(milliseconds=123)


def test_speed_and_heading_are_the_files_or_those_of_the_line_between(tmp_path: Path) -> None:
    inside = "<course>359</course><speed>-1</speed>"
    content = gpx(
        [
            pt(60.0, 24.9, "2026-11-02T07:30:00Z", "<course>12</course><speed>3</speed>"),
            pt(60.001, 24.9, "2026-11-02T07:30:10Z", inside),
            pt(60.001, 24.9, "2026-11-02T07:30:10Z"),
            pt(60.001, 24.902, "2026-11-02T07:30:20Z"),
            pt(61.0, 24.9, "2026-11-02T07:30:21Z"),
        ],
        [pt(60.002, 24.9, "2026-11-02T07:30:30Z")],
    ).replace('version="1.1" xmlns="http://www.topografix.com/GPX/1/1"', 'version="1.0"')
    track = read(tmp_path, content)
    assert [(p.speed, p.heading) for p in track.points] == [
        (3.0, 12.0),
        (11.12, 359.0),  # its own speed says unknown
        (None, None),  # no time has passed
        (11.12, 90.0),
        (None, None),  # 111 km in a second
        (None, None),  # a new segment
    ]


def test_points_out_of_order_are_sent_in_the_order_of_time(tmp_path: Path) -> None:
    track = read(
        tmp_path,
        gpx([pt(60.2, 24, "2026-11-02T07:30:05Z"), pt(60.1, 24, "2026-11-02T07:30:00Z")]),
    )
    assert [(point.index, point.lat) for point in track.points] == [(1, 60.1), (0, 60.2)]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", r"track\.gpx is empty$"),
        ("  \n", r"track\.gpx is empty$"),
        ("hello", r"is not a GPX file: it has no <gpx> element"),
        ("<svg/>", r"is not a GPX file: it has no <gpx> element"),
        (gpx([pt(1, 2)])[:-9], r"is not a GPX file: Error parsing XML"),
        (b"\xff\xfe\x00", r"is not a GPX file: not utf-8-sig text"),
        (b'<?xml version="1.0" encoding="klingon"?><gpx/>', r"not klingon text"),
        (f"{HEAD}</gpx>", r"has no track points$"),
        (
            f'{HEAD}<wpt lat="1" lon="2"/><rte><rtept lat="1" lon="2"/></rte></gpx>',
            r"has no track points; its 2 waypoints and route points are no recording",
        ),
        (
            gpx([pt(60, 24, "2026-11-02T07:30:00Z")], [pt(60, 24), pt(60, 24)]),
            r"track 1, segment 2, point 1 has no readable time \(and 1 more\); .*--interval S",
        ),
        (gpx([pt(60, 24, "yesterday")]), r"segment 1, point 1 has no readable time; "),
        (gpx(['<trkpt lat="x" lon="24"/>']), r"is not a GPX file"),
        (
            gpx(['<trkpt lat="nan" lon="24"><time>2026-11-02T07:30:00Z</time></trkpt>']),
            r"point 1 has lat",
        ),
    ],
)
def test_a_bad_file_is_explained(tmp_path: Path, content: str | bytes, says: str) -> None:
    with pytest.raises(TrackError, match=says):
        read(tmp_path, content)


def test_a_missing_file_a_folder_and_a_huge_file_are_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TrackError, match=r"none\.gpx: No such file or directory"):
        read_track(tmp_path / "none.gpx")
    with pytest.raises(TrackError, match="Is a directory"):
        read_track(tmp_path)
    monkeypatch.setattr(track_module, "MAX_BYTES", 10)
    with pytest.raises(TrackError, match=r"bytes; a track may have 10"):
        read(tmp_path, gpx([pt(1, 2)]))


def test_latin_1_is_read_where_the_file_says_so(tmp_path: Path) -> None:
    content = gpx(
        [pt(60, 24, "2026-11-02T07:30:00Z")], more="<metadata><name>Töölö</name></metadata>"
    )
    content = content.replace('version="1.0"?', 'version="1.0" encoding="ISO-8859-1"?')
    assert len(read(tmp_path, content.encode("latin-1")).points) == 1


def test_times_are_invented_only_where_there_are_none(tmp_path: Path) -> None:
    track = read(tmp_path, gpx([pt(60, 24), pt(60.1, 24)]), interval=2.5)
    assert track.duration == timedelta(seconds=2.5)
    with pytest.raises(TrackError, match="segment 1, point 2 has a time, so --interval would"):
        read(tmp_path, gpx([pt(60, 24), pt(60, 24, "2026-11-02T07:30:00Z")]), interval=1)


def a_track(tmp_path: Path, *seconds: int) -> Track:
    points = [
        pt(
            60 + n / 1000,
            24,
            (datetime(2026, 11, 2, tzinfo=UTC) + timedelta(seconds=s)).isoformat(),
        )
        for n, s in enumerate(seconds)
    ]
    return read(tmp_path, gpx(points))


def test_the_files_times_are_kept_and_sent_at_the_wanted_pace(tmp_path: Path) -> None:
    track = a_track(tmp_path, 0, 10, 30, 7230)
    planned = schedule(track, email="ada.fox@acme.test", speed=10)
    assert [round(item.due, 3) for item in planned] == [0, 1, 3, 3 + LONGEST_PAUSE_SECONDS]
    assert [item.fix.recorded_at for item in planned] == [p.recorded_at for p in track.points]
    assert [(i.fix.lat, i.fix.lon) for i in planned] == [(p.lat, p.lon) for p in track.points]
    assert longest_gap(track.points) == 7200
    as_fast = schedule(track, email="ada.fox@acme.test", speed=None)
    assert [item.due for item in as_fast] == [0, 0, 0, 0]
    assert [item.fix for item in as_fast] == [item.fix for item in planned]


def test_ids_depend_on_the_file_and_the_technician_only(tmp_path: Path) -> None:
    track = a_track(tmp_path, 0, 10, 10)

    def ids(**changes: object) -> list[str]:
        options = {"email": "ada.fox@acme.test", "speed": 1.0} | changes
        return [str(item.fix.id) for item in schedule(track, **options)]  # type: ignore[arg-type]

    assert ids() == ids(speed=20.0)
    assert len(set(ids())) == 3  # two of the points have the same time
    assert set(ids()).isdisjoint(ids(email="ben.okafor@acme.test"))
    assert set(ids()).isdisjoint(ids(now=NOW))
    assert ids(now=NOW) == ids(now=NOW)
    other = a_track(tmp_path, 0, 11)
    assert set(ids()).isdisjoint(
        str(item.fix.id) for item in schedule(other, email="ada.fox@acme.test", speed=1)
    )


def test_now_gives_each_fix_the_time_of_sending(tmp_path: Path) -> None:
    track = a_track(tmp_path, 0, 10, 30)
    paced = schedule(track, email="a@b", speed=10, now=NOW)
    assert [(i.fix.recorded_at - NOW).total_seconds() for i in paced] == [0, 1, 3]
    at_once = schedule(track, email="a@b", speed=None, now=NOW)
    assert [(i.fix.recorded_at - NOW).total_seconds() for i in at_once] == [-30, -20, 0]
