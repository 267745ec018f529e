"""Rounds of uploads to one server, and what became of all that was uploaded."""

from __future__ import annotations

import math
import sys
import time
from collections import Counter

from bench.accounting import Meter
from bench.ingest_figures import Account, Latency, Round, latency_of
from bench.ingest_stacks import Stack
from bench.machine import RigError
from bench.phones import Fleet, Seen
from bench.rounds import wants_another
from bench.servers import ServerProcess

WARM_SECONDS = 1.0
#: Requests are made in advance for so many fixes a second; more are made as they are needed.
_EXPECTED = {1: 8_000, 50: 60_000}
#: More would gain a server nothing: it has the next commits' worth waiting.
AT_ONCE = {1: 400, 50: 100}
_REASONS_SHOWN = 5


class Uploads:
    """Uploads of one fleet to one server, each of them accounted for."""

    def __init__(self, stack: Stack, server: ServerProcess, fleet: Fleet, meter: Meter) -> None:
        self.meter = meter
        self._stack, self._server, self._fleet = stack, server, fleet
        self._stored: Counter[int] = Counter()
        self._failed: Counter[str] = Counter()

    def saturate(self, size: int, *, rounds: int, seconds: float) -> list[Round]:
        """Rounds in which uploads of so many fixes are always under way.

        Raises:
            RigError: nothing was acknowledged, or a driver failed.
        """
        stock = math.ceil(
            _EXPECTED[size] / size * (WARM_SECONDS + seconds) / len(self._stack.world.phones)
        )
        measured: list[Round] = []
        while wants_another(measured, rounds):
            self._fleet.begin(size, at_once=AT_ONCE[size], stock=stock)
            time.sleep(WARM_SECONDS)
            self.meter.restart()
            before = self._fleet.stored()
            time.sleep(seconds)
            fixes, usage = self._fleet.stored() - before, self.meter.read()
            self.count(self._fleet.end())
            if not fixes:
                raise RigError(
                    f"{self._stack.name}: nothing was acknowledged: {self._failed.most_common(1)}; "
                    f"it logged:\n{self._server.said()}"
                )
            measured.append(Round(size, fixes, usage))
        return measured

    def pace(self, rate: float, *, rounds: int, seconds: float) -> list[Latency]:
        """Rounds of single posts at fixed times, so many a second; raises `RigError`."""
        measured: list[Latency] = []
        while wants_another(measured, rounds):
            self._fleet.begin(1, rate=rate)
            time.sleep(WARM_SECONDS)
            self.count(self._fleet.take())
            self.meter.restart()
            time.sleep(seconds)
            usage = self.meter.read()
            seen = self._fleet.end()
            self.count(seen)
            measured.append(latency_of(seen, rate, usage))
        return measured

    def count(self, seen: Seen) -> None:
        self._stored += seen.stored
        self._failed += seen.failed

    def account(self) -> Account:
        """Look what is in the database; nothing may be under way."""
        companies = self._stack.world.companies
        if self._failed:
            print(f"  {self._stack.name} answered:", file=sys.stderr)
            for why, count in self._failed.most_common(_REASONS_SHOWN):
                print(f"  {count:,} times {why}", file=sys.stderr)
        return Account(
            companies=companies,
            acknowledged=[self._stored[number] for number in range(len(companies))],
            rows=self._stack.rows(),
            failed=dict(self._failed),
        )
