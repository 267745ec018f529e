"""The bench of positions: what its figures are made of, and that a lost row does not pass."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from bench.accounting import Usage
from bench.ingest_figures import Account, Latency, Round, Run, latency_of, parts
from bench.ingest_rounds import Uploads
from bench.ingest_soak import Sample, Soak, soak_parts
from bench.ingest_stacks import ours
from bench.ingest_world import Create
from bench.phones import Fleet, Seen
from bench.rig import Rig
from bench.verdict import last_line


def usage(*, server: float = 1.0, server_core: float = 1.0, others: float = 1.0) -> Usage:
    """Of two seconds; all that is used beside the server is PostgreSQL's."""
    return Usage(2.0, server, 0.0, [], 0.0, server_core, others, 1, database=others)


def account(acknowledged: list[int] | None = None, rows: list[int] | None = None) -> Account:
    return Account(["acme", "globex"], acknowledged or [10, 20], rows or [10, 20])


def run(**changed: Any) -> Run:
    values: dict[str, Any] = {
        "stack": "ours",
        "technicians": 400,
        "singles": [Round(1, 8_000, usage())],
        "batches": [Round(50, 80_000, usage())],
        "latencies": [Latency(2_000.0, 4_000, 10.0, 49.9, 60.0, 1.0, usage())],
        "account": account(),
    }
    return Run(**{**values, **changed})


BASELINE = run(singles=[Round(1, 400, usage())], batches=[], latencies=[])


def test_a_round_s_figures() -> None:
    measured = Round(50, 90_000, usage(server=1.5, server_core=1.8, others=1.2))
    assert measured.per_second == 45_000
    assert measured.per_cpu_second == 60_000
    assert measured.server_core_share == 0.9
    assert measured.usage.rig_share == 0.6
    assert measured.usage.disturbance == pytest.approx(0.15)


def test_the_verdict_of_a_run_that_just_holds() -> None:
    assert last_line("ingest", parts(run(), BASELINE)) == (
        "ingest: 20.0x (budget 20x) · batches 40,000 fixes/s (>= 40,000) · p99 50 ms (< 50) · "
        "lost 0 · unacknowledged 0 · failed 0"
    )


@pytest.mark.parametrize(
    ("changed", "failed"),
    [
        ({"singles": [Round(1, 7_999, usage())]}, "ratio"),
        ({"batches": [Round(50, 79_999, usage())]}, "batches"),
        ({"latencies": [Latency(1.0, 1, 1.0, 50.0, 50.0, 1.0, usage())]}, "p99"),
        ({"account": account(rows=[10, 19])}, "lost"),
        ({"account": account(rows=[11, 20])}, "unacknowledged"),
        ({"account": Account(["acme"], [1], [1], {"503: busy": 1})}, "failed"),
    ],
)
def test_each_part_fails_by_itself(changed: dict[str, Any], failed: str) -> None:
    assert [part.name for part in parts(run(**changed), BASELINE) if not part.holds] == [failed]


def test_one_company_s_loss_is_not_made_up_by_another_s_surplus() -> None:
    measured = account(rows=[7, 24])
    assert (measured.lost, measured.unacknowledged) == (3, 4)


@pytest.mark.parametrize(
    ("others", "server_core", "server", "text", "holds"),
    [
        # The others are full and the server is not: it is judged by what it costs, and says so.
        (
            *(1.98, 1.2, 1.0),
            "batches 40,000 fixes per CPU-second (>= 40,000; 20,000 fixes/s with the other cores "
            "99% full, the server's 60%)",
            True,
        ),
        (
            *(1.98, 1.2, 1.01),
            "batches 39,603 fixes per CPU-second (>= 40,000; 20,000 fixes/s with the other cores "
            "99% full, the server's 60%)",
            False,
        ),
        # Full is more than 95 %.
        (1.9, 1.2, 1.0, "batches 20,000 fixes/s (>= 40,000)", False),
        # The server's own core was full too.
        (1.98, 1.92, 1.0, "batches 20,000 fixes/s (>= 40,000)", False),
    ],
)
def test_batches_are_judged_per_cpu_second_only_when_the_rig_alone_was_full(
    others: float, server_core: float, server: float, text: str, holds: bool
) -> None:
    used = usage(server=server, server_core=server_core, others=others)
    part = parts(run(batches=[Round(50, 40_000, used)]), BASELINE)[1]
    assert (part.name, part.text, part.holds) == ("batches", text, holds)


def test_latencies_are_told_in_milliseconds() -> None:
    seen = Seen(latest=0.002)
    seen.latencies.extend(number / 1000 for number in range(100, 0, -1))
    told = latency_of(seen, 50.0, usage())
    assert (told.p50, told.p99, told.worst, told.latest) == (50.0, 99.0, 100.0, 2.0)
    assert told.posts == 100
    assert latency_of(Seen(), 50.0, usage()).p99 == float("inf")


def sample(resident: int = 100, waiting: float = 5, outbox: float = 0) -> Sample:
    return Sample(resident * 2**20, waiting, outbox, outbox, 1_000, 10.0, usage())


def soak(samples: list[Sample], **changed: Any) -> Soak:
    values: dict[str, Any] = {
        "technicians": 400,
        "viewers": 20,
        "limit": 2_000.0,
        "rate": 1_000.0,
        "samples": samples,
        "p50": 5.0,
        "p99": 30.0,
        "worst": 90.0,
        "account": account(),
        "lost_sockets": 0,
        "unserved": 0,
    }
    return Soak(**{**values, **changed})


def test_the_verdict_of_a_soak_in_which_nothing_grows_too_much() -> None:
    # What happens between the first and the last third does not count.
    samples = [*[sample()] * 3, *[sample(500, 900, 1e9)] * 3, *[sample(110, 55, 64_000)] * 3]
    held = soak_parts(soak(samples))
    assert last_line("ingest", held) == (
        "ingest: RSS growth 10 % (<= 10) · queue growth 50 fixes (<= 50) · "
        "outbox growth 64 kB (<= 64) · p99 30 ms (< 50) · lost 0 · unacknowledged 0 · failed 0 · "
        "sockets lost 0 · viewers without news 0"
    )


@pytest.mark.parametrize(
    ("last", "changed", "failed"),
    [
        (sample(111), {}, "RSS growth"),
        (sample(waiting=56), {}, "queue growth"),
        (sample(outbox=64_001), {}, "outbox growth"),
        (sample(), {"p99": 50.0}, "p99"),
        (sample(), {"account": account(rows=[10, 19])}, "lost"),
        (sample(), {"lost_sockets": 1}, "sockets lost"),
        (sample(), {"unserved": 1}, "viewers without news"),
    ],
)
def test_each_part_of_a_soak_fails_by_itself(
    last: Sample, changed: dict[str, Any], failed: str
) -> None:
    parts_of_it = soak_parts(soak([sample(), sample(), last], **changed))
    assert [part.name for part in parts_of_it if not part.holds] == [failed]


def test_a_row_that_is_gone_from_the_database_makes_the_bench_fail() -> None:
    with Rig(sockets=4, database=True) as rig:
        stack = ours(rig, Create(companies=2, technicians=4, token_seconds=600))
        with rig.serve(stack.name, stack.command, stack.variables, logs_requests=True) as server:
            fleet = Fleet(1, server.port, stack.world.phones, reuse=True)
            with rig.ended(fleet.stop):
                uploads = Uploads(stack, server, fleet, rig.meter(server, fleet))
                uploads.saturate(1, rounds=1, seconds=0.2)
                before = uploads.account()
                assert rig.postgres is not None
                with psycopg.connect(rig.postgres.url) as connection:
                    connection.execute(
                        "DELETE FROM company1.tracking_fix WHERE (technician_id, id) IN "
                        "(SELECT technician_id, id FROM company1.tracking_fix LIMIT 1)"
                    )
                after = uploads.account()
    assert before.rows == before.acknowledged
    assert min(before.rows) > 0
    assert after.rows == [before.rows[0], before.rows[1] - 1]
    assert (after.lost, after.unacknowledged) == (1, 0)
    assert [part.name for part in after.parts() if not part.holds] == ["lost"]
