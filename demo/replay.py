"""Post a recorded GPX track the way a technician's phone would.

    ./dev replay demo/tracks/karhula.gpx --company acme --technician "Ada Fox" --speed 10 --now

By default every fix carries the file's own time: history then equals the file, and replaying it
again stores nothing twice. The live marker moves only to a fix that is newer than the one it shows,
so to watch an old track move, add --now: each fix then carries the moment at which it is sent.
"""

import argparse
import asyncio
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from demo.backoff import BRISK
from demo.clock import Clock, SystemClock
from demo.fix import Fix, iso
from demo.phone import Delivery, Phone, PhoneError, UnavailableError
from demo.progress import Progress
from demo.schedule import LONGEST_PAUSE_SECONDS, Scheduled, longest_gap, schedule
from demo.site import DEFAULT_DOMAIN, DEFAULT_PORT, Site
from demo.track import Track, TrackError, read_track
from demo.world import PASSWORD, SCHEMAS, load_company

# Points that fall due within this time travel together: a phone does not post 50 times a second.
POST_EVERY_SECONDS = 0.5
# Fixes handed to the phone at once when speed is "max"; progress is shown in between.
CHUNK = 500
# Fixes older than this make a marker grey at best, so the reader gets told about --now.
LIVE_WITHIN = timedelta(minutes=5)
REJECTIONS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for; ``speed`` None is as fast as possible."""

    file: Path
    site: Site
    email: str
    password: str
    speed: float | None
    now: bool
    interval: float | None


class UsageError(Exception):
    """The command line cannot be carried out; the text says what would be right."""


def parse(arguments: Sequence[str] | None) -> Wanted:
    """Read the command line; UsageError or SystemExit (argparse) for one that is not usable."""
    parser = argparse.ArgumentParser(
        prog="./dev replay",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE.gpx")
    parser.add_argument("--company", required=True, metavar="SCHEMA", help="such as acme")
    parser.add_argument(
        "--technician", required=True, metavar="WHO", help='an e-mail address, or "Ada Fox"'
    )
    parser.add_argument(
        "--speed", type=_speed, default=1.0, metavar="N|max", help="10 is ten times as fast"
    )
    parser.add_argument("--now", action="store_true", help="fixes carry the time of sending")
    parser.add_argument(
        "--interval", type=float, metavar="S", help="for a file without times; implies --now"
    )
    parser.add_argument("--password", default=PASSWORD, help="default: the demo's")
    parser.add_argument("--base-domain", default=DEFAULT_DOMAIN, metavar="DOMAIN")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--base-url", metavar="URL", help="the company's own address")
    options = parser.parse_args(arguments)
    if options.interval is not None and not options.interval > 0:
        raise UsageError(f"--interval is {options.interval}; it must be above 0 seconds")
    url = options.base_url or f"http://{options.company}.{options.base_domain}:{options.port}"
    try:
        site = Site.parse(url)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return Wanted(
        file=options.file,
        site=site,
        email=find_technician(options.company, options.technician),
        password=options.password,
        speed=options.speed,
        now=options.now or options.interval is not None,
        interval=options.interval,
    )


def find_technician(schema: str, who: str) -> str:
    """The e-mail address of a demo technician by name; an address is taken as it is."""
    if "@" in who:
        return who.strip()
    if schema not in SCHEMAS:
        raise UsageError(
            f"company {schema!r} is not of the demo ({', '.join(SCHEMAS)}); "
            "give --technician as an e-mail address"
        )
    known = load_company(schema).technicians
    for technician in known:
        if technician.name.casefold() == " ".join(who.split()).casefold():
            return technician.email
    names = ", ".join(technician.name for technician in known)
    raise UsageError(f"{schema} has no technician {who!r}; it has {names}, or give an e-mail")


async def replay(wanted: Wanted, *, clock: Clock, progress: Progress) -> Delivery:
    """Read, log in, send, and tell the reader; returns what became of the fixes.

    Raises TrackError, PhoneError, UnavailableError (server away for longer than we wait).
    """
    track = read_track(wanted.file, interval=wanted.interval)
    phone = Phone(
        site=wanted.site,
        email=wanted.email,
        password=wanted.password,
        clock=clock,
        rng=random.Random(),
        backoff=BRISK,
        log=progress.line,
    )
    async with phone:
        await phone.login()
        await _check_role(phone)
        started = clock.now()
        planned = schedule(
            track, email=wanted.email, speed=wanted.speed, now=started if wanted.now else None
        )
        _announce(wanted, track, planned, started, progress)
        progress.start(len(planned), started)
        try:
            await _send(phone, planned, clock, progress, as_fast_as_possible=wanted.speed is None)
        finally:
            progress.end(phone.delivery, clock.now())
    _summarise(planned, phone.delivery, progress)
    return phone.delivery


async def _check_role(phone: Phone) -> None:
    me = await phone.get("/api/v1/me/")
    if not isinstance(me, dict) or not me.get("technician"):
        role = me.get("role", "unknown role") if isinstance(me, dict) else "unknown role"
        raise PhoneError(f"{phone.email} is no technician ({role}); only technicians post fixes")


async def _send(
    phone: Phone,
    planned: Sequence[Scheduled],
    clock: Clock,
    progress: Progress,
    *,
    as_fast_as_possible: bool,
) -> None:
    """Hand over what is due, post it, wait for more."""
    started = clock.now()
    position = 0
    while position < len(planned):
        elapsed = (clock.now() - started).total_seconds()
        limit = len(planned) if not as_fast_as_possible else position + CHUNK
        while position < min(limit, len(planned)) and planned[position].due <= elapsed:
            phone.record(planned[position].fix)
            position += 1
        await phone.upload()
        progress.show(phone.delivery, clock.now())
        if position < len(planned):
            elapsed = (clock.now() - started).total_seconds()
            wait = planned[position].due - elapsed
            await clock.sleep(0 if as_fast_as_possible else max(wait, POST_EVERY_SECONDS))


def _announce(
    wanted: Wanted,
    track: Track,
    planned: Sequence[Scheduled],
    started: datetime,
    progress: Progress,
) -> None:
    pace = "as fast as possible" if wanted.speed is None else f"in {planned[-1].due:.0f} s"
    progress.line(
        f"{wanted.file.name}: {len(planned)} points over {_span(track.duration)}, "
        f"sent {pace} to {wanted.site.url} as {wanted.email}"
    )
    gap = longest_gap(track.points)
    if wanted.speed is not None and gap / wanted.speed > LONGEST_PAUSE_SECONDS:
        progress.line(
            f"Pauses are cut to {LONGEST_PAUSE_SECONDS:.0f} s; the longest is "
            f"{_span(timedelta(seconds=gap))} in the file."
        )
    last = planned[-1].fix.recorded_at
    if not wanted.now and started - last > LIVE_WITHIN:
        progress.line(
            f"The times are the file's, the last one {_span(started - last)} ago: they fill the "
            "history. The live marker moves only to a fix newer than the one it shows; "
            "add --now to watch it drive."
        )


def _summarise(planned: Sequence[Scheduled], delivery: Delivery, progress: Progress) -> None:
    for rejection in delivery.rejected[:REJECTIONS_SHOWN]:
        progress.line(f"rejected {iso(rejection.fix.recorded_at)}: {rejection.reasons}")
    if len(delivery.rejected) > REJECTIONS_SHOWN:
        progress.line(f"… and {len(delivery.rejected) - REJECTIONS_SHOWN} more rejected")
    progress.line(
        f"{delivery.total} points: {delivery.stored} stored, {delivery.duplicate} were there "
        f"already, {len(delivery.rejected)} rejected"
    )
    progress.line(f"first  {_place(planned[0].fix)}")
    progress.line(f"last   {_place(planned[-1].fix)}")


def _place(fix: Fix) -> str:
    return f"{iso(fix.recorded_at)}  {fix.lat}, {fix.lon}"


def _span(span: timedelta) -> str:
    """A duration in its two largest units."""
    seconds = int(span.total_seconds())
    for unit, size, smaller, step in (("d", 86400, "h", 3600), ("h", 3600, "min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} {seconds % size // step} {smaller}"
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number above 0 nor max")
    return speed


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; exit status 0 all stored, 1 failed or some rejected, 2 wrong usage, 130 ^C."""
    progress = Progress(sys.stdout)
    try:
        wanted = parse(arguments)
        delivery = asyncio.run(replay(wanted, clock=SystemClock(), progress=progress))
    except UsageError as error:
        print(f"replay: {error}", file=sys.stderr)
        return 2
    except (TrackError, PhoneError, UnavailableError) as error:
        print(f"replay: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("replay: stopped; a second replay of the same file continues where this one ended")
        return 130
    return 1 if delivery.rejected else 0


if __name__ == "__main__":
    sys.exit(main())
