"""One member of the demo fleet: rounds on one side, a phone on the other."""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from demo.backoff import PATIENT
from demo.clock import Clock
from demo.fix import Fix
from demo.phone import Phone, PhoneError
from demo.rounds import FAR_AWAY, USUAL, Rounds, Stop
from demo.site import Site
from demo.streets import load_streets
from demo.world import Company, Technician

TICK_SECONDS = 1.0
# A position by somebody else counts until it would be called delayed on the map.
STAND_ASIDE = timedelta(seconds=60)
LOOK_AGAIN_SECONDS = 5.0
# More than one fix every two seconds for the longest time without signal.
OWN_MOMENTS = 1000
# Two or three fixes together mean a slow answer, more mean that the phone was away.
BATCH_OF_NOTE = 5
# Job states that need nobody to drive anywhere.
FINISHED = {"done", "cancelled", "canceled", "completed"}
# A rejected batch says the same many times; so many lines of it are enough.
REJECTIONS_SHOWN = 3


class Member:
    """A technician of the demo; ``work`` runs until it is cancelled."""

    def __init__(
        self,
        *,
        company: Company,
        technician: Technician,
        site: Site,
        password: str,
        clock: Clock,
        rng: random.Random,
        speed: float,
        log: Callable[[str], None],
        quiet: bool = False,
    ) -> None:
        self.rng = rng
        self.stored = 0
        self._name = f"{company.schema} {technician.name}"
        self._email = technician.email
        self._site = site
        self._password = password
        self._clock = clock
        self._speed = speed
        self._log = log
        self._quiet = quiet
        streets = load_streets(company.schema)
        # The last driver of each company is the one who stays away long enough to turn grey.
        far_away = technician == [other for other in company.technicians if other.drives][-1]
        self._rounds = Rounds(
            streets=streets,
            start=rng.randrange(len(streets.nodes)),
            rng=rng,
            habits=FAR_AWAY if far_away else USUAL,
        )
        self._customers = [
            Stop(customer.key, customer.street, (customer.lat, customer.lon))
            for customer in company.customers
        ]
        self._visited: str | None = None
        self._jobs: list[Stop] | None = None
        self._started = clock.now()
        self._own: deque[datetime] = deque(maxlen=OWN_MOMENTS)
        self._aside = False

    def say(self, text: str) -> None:
        """Print one line about this technician."""
        self._log(f"{self._clock.now().astimezone():%H:%M:%S} {self._name}: {text}")

    async def work(self) -> None:
        """Log in, then drive and post at once; PhoneError if the server refuses for good."""
        async with Phone(
            site=self._site,
            email=self._email,
            password=self._password,
            clock=self._clock,
            rng=self.rng,
            backoff=PATIENT,
            log=self.say,
        ) as phone:
            await phone.login()
            signal, idle = asyncio.Event(), asyncio.Event()
            tasks = [
                asyncio.create_task(self._drive(phone, signal, idle)),
                asyncio.create_task(self._plan(phone, idle)),
                asyncio.create_task(self._upload(phone, signal)),
            ]
            try:
                await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _drive(self, phone: Phone, signal: asyncio.Event, idle: asyncio.Event) -> None:
        since_fix = self._rounds.fix_interval
        while True:
            await self._clock.sleep(TICK_SECONDS)
            if self._aside:
                continue
            if self._rounds.idle:
                idle.set()
            for event in self._rounds.tick(TICK_SECONDS * self._speed):
                waiting = f", {phone.waiting} fixes wait" if phone.waiting >= BATCH_OF_NOTE else ""
                self._tell(event + waiting)
            since_fix += TICK_SECONDS
            if since_fix >= self._rounds.fix_interval:
                since_fix = 0.0
                phone.record(self._fix())
            if self._rounds.has_signal and phone.waiting:
                signal.set()

    async def _plan(self, phone: Phone, idle: asyncio.Event) -> None:
        """Choose the next stop whenever the last one is done; the clock runs on meanwhile."""
        while True:
            await idle.wait()
            if self._rounds.has_signal or self._jobs is None:
                self._jobs = _stops(await phone.get("/api/v1/jobs/"))
            self._tell(self._rounds.go_to(self._next_stop(self._jobs)))
            idle.clear()

    async def _upload(self, phone: Phone, signal: asyncio.Event) -> None:
        """Send what waits, whenever there is signal; driving goes on meanwhile."""
        while True:
            await signal.wait()
            signal.clear()
            if await self._is_driven_by_another(phone):
                await self._stand_aside(phone)
                continue
            delivery = await phone.upload()
            self.stored += delivery.stored
            if delivery.total >= BATCH_OF_NOTE:
                self._tell(f"sent {delivery.total} fixes at once")
            for rejection in delivery.rejected[:REJECTIONS_SHOWN]:
                self.say(f"a fix was rejected: {rejection.reasons}")
            if len(delivery.rejected) > REJECTIONS_SHOWN:
                self.say(f"… and {len(delivery.rejected) - REJECTIONS_SHOWN} more")

    async def _is_driven_by_another(self, phone: Phone) -> bool:
        """Whether the newest position is recent and not from here.

        A person who replays a track or posts a fix as this technician wants to see that on the
        map, not a marker that jumps between two places.
        """
        answer = await phone.get("/api/v1/positions/")
        try:
            moments = [datetime.fromisoformat(p["recorded_at"]) for p in answer["results"]]
        except (KeyError, TypeError, ValueError) as error:
            raise PhoneError(f"GET /api/v1/positions/: cannot read one: {error!r}") from None
        oldest = max(self._started, self._clock.now() - STAND_ASIDE)
        return any(moment > oldest and moment not in self._own for moment in moments)

    async def _stand_aside(self, phone: Phone) -> None:
        phone.forget()
        self._aside = True
        self._tell("another phone posts for this technician; waiting until it is done")
        while await self._is_driven_by_another(phone):
            await self._clock.sleep(LOOK_AGAIN_SECONDS)
        self._tell("drives on")
        self._aside = False

    def _next_stop(self, jobs: list[Stop]) -> Stop:
        """The job after the last visited one, in the order of the day; else some customer."""
        keys = [job.key for job in jobs]
        following = keys.index(self._visited) + 1 if self._visited in keys else 0
        choice = jobs[following % len(jobs)] if jobs else self.rng.choice(self._customers)
        if choice.key == self._visited:  # the only job: visit somebody else in between
            choice = self.rng.choice(self._customers)
        self._visited = choice.key
        return choice

    def _fix(self) -> Fix:
        reading = self._rounds.read()
        now = self._clock.now()
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)  # what phones measure
        self._own.append(now)
        return Fix(
            id=UUID(int=self.rng.getrandbits(128), version=4),
            recorded_at=now,
            lat=reading.lat,
            lon=reading.lon,
            accuracy=reading.accuracy,
            speed=round(reading.speed * self._speed, 2),
            heading=reading.heading,
            battery=reading.battery,
            charging=reading.charging,
            activity=reading.activity,
        )

    def _tell(self, text: str) -> None:
        if not self._quiet:
            self.say(text)


def _stops(answer: Any) -> list[Stop]:
    """The jobs that still need a visit and have coordinates; PhoneError if a field is missing."""
    stops = []
    try:
        for job in answer["results"]:
            if job["status"] in FINISHED or job["lat"] is None or job["lon"] is None:
                continue
            label = f"{job['address']} ({job['title']})"
            stops.append(Stop(str(job["id"]), label, (float(job["lat"]), float(job["lon"]))))
    except (KeyError, TypeError) as error:
        raise PhoneError(f"GET /api/v1/jobs/: cannot read a job: {error!r}") from None
    return stops
