"""Drive the demo's technicians through their towns, as clients of the public API.

    python -m demo.fleet [--company acme] [--port 8000] [--speed 1] [--seed 7] [--duration 60]

Each technician logs in like a phone, asks for its jobs, drives to them along real streets, stops
there, and posts its fixes. It never touches the database. Ctrl-C or SIGTERM ends it.
"""

import argparse
import asyncio
import random
import signal
import sys
from collections.abc import Callable, Sequence

from demo.clock import SystemClock
from demo.crew import Member
from demo.phone import PhoneError
from demo.site import DEFAULT_DOMAIN, DEFAULT_PORT, Site, company_url
from demo.world import PASSWORD, SCHEMAS, Company, load_company

# Phones that start together would log in together; they get this long to spread out.
START_SPREAD_SECONDS = 4.0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo.fleet", description="Drive the demo's technicians; Ctrl-C ends it."
    )
    parser.add_argument(
        "--company", action="append", choices=SCHEMAS, help="only this company (may be repeated)"
    )
    parser.add_argument("--base-domain", default=DEFAULT_DOMAIN, metavar="DOMAIN")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument(
        "--base-url-template", metavar="URL", help="such as https://{schema}.sera.example"
    )
    parser.add_argument(
        "--speed", type=float, default=1.0, help="time-lapse: 5 lives five times as fast"
    )
    parser.add_argument("--seed", type=int, help="the same seed drives the same routes")
    parser.add_argument("--duration", type=float, metavar="SECONDS", help="stop by itself")
    parser.add_argument("--password", default=PASSWORD, help="default: the demo's")
    parser.add_argument("--quiet", action="store_true", help="print problems only")
    return parser


def crew(
    options: argparse.Namespace, companies: Sequence[Company], log: Callable[[str], None]
) -> list[Member]:
    """One member per technician who drives, each with its own randomness.

    Raises ValueError for an unusable URL.
    """
    template = options.base_url_template
    if template is None:
        template = f"http://{{schema}}.{options.base_domain}:{options.port}"
    members = []
    for company in companies:
        site = Site.parse(company_url(template, company.schema))
        for technician in company.technicians:
            if not technician.drives:
                continue
            # Seeded by the person, so that one more technician does not change the others' day.
            seed = f"{options.seed}:{technician.email}" if options.seed is not None else None
            members.append(
                Member(
                    company=company,
                    technician=technician,
                    site=site,
                    password=options.password,
                    clock=SystemClock(),
                    rng=random.Random(seed),
                    speed=options.speed,
                    log=log,
                    quiet=options.quiet,
                )
            )
    return members


async def drive(members: Sequence[Member], duration: float | None) -> int:
    """Run until a signal, the duration's end, or until nobody is left; returns the exit status."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    everybody = asyncio.create_task(_lives(members))
    ended = asyncio.create_task(stop.wait())
    await asyncio.wait((everybody, ended), timeout=duration, return_when=asyncio.FIRST_COMPLETED)
    if everybody.done():
        everybody.result()
        ended.cancel()
        return 1
    everybody.cancel()
    ended.cancel()
    await asyncio.gather(everybody, ended, return_exceptions=True)
    return 0


async def _lives(members: Sequence[Member]) -> None:
    """Run everybody; ends only when the server will have nobody any more."""
    await asyncio.gather(*(_life(member) for member in members))


async def _life(member: Member) -> None:
    await asyncio.sleep(member.rng.uniform(0, START_SPREAD_SECONDS))
    try:
        await member.work()
    except PhoneError as error:
        member.say(f"stops: {error}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit status: 0 ended, 1 every login was refused, 2 wrong usage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if not options.speed > 0:
        parser.error(f"--speed is {options.speed}; it must be above 0")
    companies = [load_company(schema) for schema in options.company or SCHEMAS]
    try:
        members = crew(options, companies, lambda line: print(line, flush=True))
    except ValueError as error:
        parser.error(str(error))
    status = asyncio.run(drive(members, options.duration))
    stored = sum(member.stored for member in members)
    print(f"fleet: {len(members)} technicians, {stored} fixes stored", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
