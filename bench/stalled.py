"""Stalled: some subscribers stop reading. What the others and the server's memory notice of it."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from dataclasses import asdict, replace
from math import inf

from bench import report, stacks
from bench.accounting import Meter, resident_bytes
from bench.connections import established
from bench.drivers import Drivers
from bench.machine import RigError
from bench.report import Result, progress
from bench.rig import Rig
from bench.sequence import (
    Counted,
    Pace,
    Published,
    Saturate,
    SequencePublisher,
    SequenceTally,
    Stop,
)
from bench.servers import ServerProcess
from bench.sleepers import MOST_STEPS, Account, OpenAll, Sleep, Sleepers, TakeAccounts, Wake
from bench.stacks import Stack
from bench.stalled_figures import Round, Run, Window, parts, summary
from bench.verdict import percentile
from bench.workers import Worker

#: Publish no faster than this, a second, however much the server can carry.
MOST_PER_SECOND = 50.0
IN_FLIGHT = 8
WARM_SECONDS, SATURATE_SECONDS = 1.0, 3.0
OPEN_SECONDS, OPEN_AT_ONCE = 60.0, 40
ANSWER_SECONDS = 30.0
#: For each step of a client that comes back.
WAKE_SECONDS = 20.0
#: At least so many of each half of a round; and at most so many rounds for each asked for.
WINDOWS, MOST_ROUNDS = 6, 2
# Nothing arrived for so long: what has not come is lost, seconds.
LOST_AFTER = 3.0

OURS = stacks.OURS_EXTENDED
OURS_DAPHNE = replace(
    stacks.OURS_DAPHNE, name="ours, Daphne, extended", subprotocol=OURS.subprotocol
)

METHOD = (
    "One ordered stream with history, published at fixed times at half of the rate that the "
    f"server carries, at most {MOST_PER_SECOND:g} messages a second. In each round all "
    "subscribers read; then some stop reading (real sockets with small receive buffers) until "
    "the server has closed all of their connections; then these read what their kernel holds, "
    "come back with their last positions and ask for history. p99 of the others: of those who "
    "read all the time, from when a message was due to when a client read it, while some do not "
    "read, in percent of the p99 while all do; of each the median of the windows of some seconds "
    "that other programs did not disturb, or of all. Memory: growth of the server's resident set "
    "from before the stall to its highest in it. Unaccounted: messages that a client which came "
    "back neither got nor was told (`reject_history`) that it lost."
)


def measure_stack(rig: Rig, stack: Stack, options: argparse.Namespace) -> Run:
    """One stack.

    Raises:
        RigError: a socket did not open, or nothing was delivered.
    """
    stream = f"stalled-{secrets.token_hex(4)}"
    others = options.subscribers - options.stalled
    with (
        rig.server(stack) as server,
        rig.drivers(options.drivers, SequenceTally) as drivers,
        rig.worker("sleepers", Sleepers) as sleepers,
        rig.worker(
            "publisher",
            SequencePublisher,
            rig.environment(stack),
            stack.kind,
            stream,
            options.bytes,
            drivers.counters,
        ) as publisher,
    ):
        targets = [
            stack.target(server.port, number, stream) for number in range(options.subscribers)
        ]
        opened = drivers.open(targets[:others], at_once=OPEN_AT_ONCE, timeout=OPEN_SECONDS)
        if opened.failures:
            raise RigError(f"{stack.name}: sockets did not open: {dict(opened.failures)}")
        sleepers.ask(OpenAll(targets[others:], OPEN_SECONDS), within=OPEN_SECONDS + ANSWER_SECONDS)
        meter = rig.meter(server, drivers, publisher)
        per_second = _half_load(drivers, publisher, others)
        if not per_second:
            raise RigError(f"{stack.name}: nothing was delivered; it logged:\n{server.said()}")
        scene = _Scene(server, drivers, sleepers, meter, options)
        publisher.ask(Pace(per_second), within=ANSWER_SECONDS)
        rounds: list[Round] = []
        while _wants_another(rounds, options.rounds):
            time.sleep(WARM_SECONDS)
            rounds.append(scene.play())
        published: Published = publisher.ask(Stop(), within=ANSWER_SECONDS)
        _settle(drivers, published.count * others)
        accounts = _settled_accounts(sleepers, published.count)
        lost_sockets = scene.lost_sockets + drivers.take().lost.total()
    return Run(
        stack=stack.name,
        sockets=options.subscribers,
        stalled=options.stalled,
        per_second=per_second,
        rounds=rounds,
        published=published.count,
        lost=published.count * others - drivers.delivered(),
        received=sum(account.received for account in accounts),
        repeated=sum(account.repeated for account in accounts),
        rejected=sum(account.rejected for account in accounts),
        unaccounted=sum(account.missing(published.count) for account in accounts),
        lost_sockets=lost_sockets,
    )


class _Scene:
    """The processes of one run, through its rounds."""

    def __init__(
        self,
        server: ServerProcess,
        drivers: Drivers,
        sleepers: Worker,
        meter: Meter,
        options: argparse.Namespace,
    ) -> None:
        self._server, self._drivers, self._sleepers = server, drivers, sleepers
        self._meter, self._options = meter, options
        self.lost_sockets = 0

    def play(self) -> Round:
        """One round; raises `RigError`."""
        pid, seconds = self._server.pid, self._options.seconds
        without = [self._listen(seconds) for _ in range(WINDOWS)]
        before = highest = resident_bytes(pid)
        self._sleepers.ask(Sleep(), within=ANSWER_SECONDS)
        started = time.monotonic()
        stalled: list[Window] = []
        let_go_after = None
        while let_go_after is None or len(stalled) < WINDOWS:
            stalled.append(self._listen(seconds))
            highest = max(highest, resident_bytes(pid))
            stalled_for = time.monotonic() - started
            if let_go_after is None and self._let_go() >= self._options.stalled:
                let_go_after = stalled_for
            if stalled_for > self._options.stall_seconds:
                break
        let_go = self._let_go()
        self._begin()
        woken = self._sleepers.ask(
            Wake(WAKE_SECONDS), within=WAKE_SECONDS * (MOST_STEPS + 3) + ANSWER_SECONDS
        )
        return Round(
            without=without,
            stalled=stalled,
            recovering=self._end(),
            grown=highest - before,
            seconds=let_go_after or time.monotonic() - started,
            let_go=let_go,
            woken=woken,
        )

    def _listen(self, seconds: float) -> Window:
        self._begin()
        time.sleep(seconds)
        return self._end()

    def _begin(self) -> None:
        self._take()
        self._meter.restart()

    def _end(self) -> Window:
        usage = self._meter.read()
        milliseconds = [each * 1000 for each in self._take().latencies] or [inf]
        return Window(
            p50=percentile(milliseconds, 50),
            p99=percentile(milliseconds, 99),
            worst=max(milliseconds),
            messages=len(milliseconds),
            usage=usage,
        )

    def _take(self) -> Counted:
        taken = self._drivers.take()
        self.lost_sockets += taken.lost.total()
        together = Counted()
        for counted in taken.tallies:
            together.latencies.extend(counted.latencies)
        return together

    def _let_go(self) -> int:
        return int(self._options.subscribers) - established(self._server.port)


def _half_load(drivers: Drivers, publisher: Worker, others: int) -> float:
    """Messages a second; all are delivered when it returns."""
    publisher.ask(Saturate(IN_FLIGHT, others), within=ANSWER_SECONDS)
    time.sleep(WARM_SECONDS)
    before, started = drivers.delivered(), time.monotonic()
    time.sleep(SATURATE_SECONDS)
    rate = (drivers.delivered() - before) / (time.monotonic() - started) / others
    published: Published = publisher.ask(Stop(), within=ANSWER_SECONDS)
    _settle(drivers, published.count * others)
    return min(rate / 2, MOST_PER_SECOND)


def _settle(drivers: Drivers, wanted: int) -> None:
    """Wait for what is under way, or until nothing comes any more."""
    seen, seen_at = drivers.delivered(), time.monotonic()
    while seen < wanted and time.monotonic() - seen_at < LOST_AFTER:
        time.sleep(0.01)
        if (now := drivers.delivered()) > seen:
            seen, seen_at = now, time.monotonic()
    time.sleep(0.5)  # the last to those who do not count for it


def _wants_another(rounds: list[Round], wanted: int) -> bool:
    """More than asked for are played as long as other programs disturbed half of the windows."""
    if rounds and rounds[-1].woken.failed:
        return False  # there is nobody to stop reading
    quiet = sum(each.quiet for each in rounds)
    few = quiet < wanted * WINDOWS / 2 and len(rounds) < wanted * MOST_ROUNDS
    return len(rounds) < wanted or few


def _settled_accounts(sleepers: Worker, published: int) -> list[Account]:
    """As they are when everybody has everything, or when nothing comes any more."""
    seen, seen_at = 0, time.monotonic()
    while True:
        accounts: list[Account] = sleepers.ask(TakeAccounts(), within=ANSWER_SECONDS)
        received = sum(account.received for account in accounts)
        if received > seen:
            seen, seen_at = received, time.monotonic()
        is_complete = all(account.expected > published for account in accounts)
        if is_complete or time.monotonic() - seen_at > LOST_AFTER:
            return accounts
        time.sleep(0.1)


def measure(options: argparse.Namespace) -> tuple[Result, list[str]]:
    """All stacks; raises `RigError`."""
    with Rig(sockets=options.subscribers) as rig:
        result = Result("stalled", rig.cores, METHOD)
        runs = []
        for stack in (OURS,) if options.quick else (OURS, OURS_DAPHNE):
            progress(f"{stack.name}: {options.stalled} of {options.subscribers} stop reading")
            runs.append(measure_stack(rig, stack, options))
    result.parts = parts(runs)
    result.doubts = report.doubts(
        [w.usage for run in runs for r in run.rounds for w in (*r.without, *r.stalled)]
    )
    result.doubts += [
        f"{run.stack}: {why}" for run in runs for each in run.rounds if (why := each.woken.failed)
    ]
    result.figures |= {
        "message_bytes": options.bytes,
        "runs": [
            {**asdict(run), "p99_percent": run.p99_percent, "grown": run.grown} for run in runs
        ],
    }
    return result, [summary(runs)]


def main(arguments: list[str]) -> int:
    parser = report.make_parser("stalled", __doc__)
    parser.add_argument("--subscribers", type=report.positive, default=1000, help="(%(default)s)")
    parser.add_argument(
        "--stalled",
        type=report.positive,
        default=100,
        help="of them, that stop reading (%(default)s)",
    )
    parser.add_argument(
        "--bytes", type=report.positive, default=4096, help="of each message (%(default)s)"
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="of each window (%(default)s)")
    parser.add_argument(
        "--stall-seconds",
        type=float,
        default=120.0,
        help="of a stall, at most; it ends when the server has let all go (%(default)s)",
    )
    parser.add_argument("--rounds", type=report.positive, default=3, help="(%(default)s)")
    options = parser.parse_args(arguments)
    if options.stalled >= options.subscribers:
        parser.error("--stalled must be less than --subscribers")
    return report.run("stalled", lambda: measure(options), options.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
