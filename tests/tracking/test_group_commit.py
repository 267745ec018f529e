"""Many phones' fixes in one commit: each is told of its own, none of another company's trouble."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from prometheus_client import REGISTRY
from pytest_django import Settings

from dispatch.models import PhoneSession, Technician, User
from tenants.context import company_scope
from tests.world import Persona
from tracking.actions import (
    Busy,
    CompanyFailed,
    GroupCommit,
    NotSignedIn,
    Recorded,
    Upload,
    committing,
    group_commit,
)
from tracking.fixes import FixForm
from tracking.models import Fix, Policy, Position

pytestmark = pytest.mark.usefixtures("committed")

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def fix(minute: float, *, lat: float = 60.5, id: uuid.UUID | None = None) -> FixForm:  # noqa: A002
    moment = NOON + timedelta(minutes=minute)
    return FixForm(id=id or uuid.uuid4(), recorded_at=moment, lat=lat, lon=26.9)


def signed_in(persona: Persona, technician: int = 1) -> uuid.UUID:
    with company_scope(persona.schema):
        user = Technician.objects.get(pk=technician).user
        session = PhoneSession.objects.create(
            user=user,
            current=uuid.uuid4().hex,
            rotated_at=timezone.now(),
            expires_at=timezone.now() + timedelta(days=1),
        )
    return session.pk


def upload(persona: Persona, session: uuid.UUID, *fixes: FixForm) -> Upload:
    return Upload(persona.schema, persona.technician_id, session, list(fixes))


def statuses(*results: Recorded | BaseException) -> list[list[str]]:
    """What became of the fixes of uploads that were recorded."""
    found = []
    for result in results:
        assert isinstance(result, Recorded)
        found.append([outcome.status for outcome in result.outcomes])
    return found


def latitudes(persona: Persona) -> list[float]:
    with company_scope(persona.schema):
        return list(Fix.objects.order_by("recorded_at").values_list("lat", flat=True))


class Commits:
    """Counts commits, and holds the first one back until told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        self.go = asyncio.Event()
        run = group_commit.run_on_platform

        async def counted(work: Any, uploads: list[Upload]) -> Any:
            self.sizes.append(len(uploads))
            if len(self.sizes) == 1:
                await self.go.wait()
            return await run(work, uploads)

        monkeypatch.setattr(group_commit, "run_on_platform", counted)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What the companies' maps were told."""
    found: list[tuple[str, dict[str, Any]]] = []

    async def tell(stream: str, changes: dict[str, Any]) -> None:
        found.append((stream, changes))

    monkeypatch.setattr(group_commit, "abroadcast_state", tell)
    return found


async def in_thread(work: Any, *args: Any) -> Any:
    def in_it() -> Any:
        try:
            return work(*args)
        finally:
            connection.close()

    return await asyncio.to_thread(in_it)


async def sent(
    commit: GroupCommit, commits: Commits, *uploads: Upload
) -> list[asyncio.Task[Recorded]]:
    """The first is being committed when the others come."""
    tasks = [asyncio.create_task(commit.record(uploads[0]))]
    async with asyncio.timeout(5):
        while not commits.sizes:
            await asyncio.sleep(0)
    tasks += [asyncio.create_task(commit.record(each)) for each in uploads[1:]]
    await asyncio.sleep(0)
    return tasks


async def test_uploads_that_come_during_a_commit_share_the_next(
    acme: Persona, globex: Persona, monkeypatch: pytest.MonkeyPatch, told: list[Any]
) -> None:
    ours, theirs = await in_thread(signed_in, acme), await in_thread(signed_in, globex)
    commits, commit = Commits(monkeypatch), GroupCommit()
    number = uuid.uuid4()  # the companies' ids are the same, and so are their technicians'
    sending = await sent(
        commit,
        commits,
        upload(acme, ours, fix(0, lat=60.01)),
        upload(acme, ours, fix(1, lat=60.02, id=number), fix(2, lat=60.03)),
        upload(globex, theirs, fix(1, lat=-60.01, id=number)),
        upload(acme, ours, fix(3, lat=60.04), fix(9, lat=60.09, id=number)),
    )
    commits.go.set()
    assert statuses(*await asyncio.gather(*sending)) == [
        ["stored"],
        ["stored", "stored"],
        ["stored"],
        ["stored", "duplicate"],
    ]
    assert commits.sizes == [1, 3]
    assert await in_thread(latitudes, acme) == [60.01, 60.02, 60.03, 60.04]
    assert await in_thread(latitudes, globex) == [-60.01]
    await asyncio.sleep(0)
    key = str(acme.technician_id)
    found = [(stream, {k: s.value.lat for k, s in changes.items()}) for stream, changes in told]
    assert found == [
        (f"{acme.schema}.map", {key: 60.01}),
        (f"{acme.schema}.map", {key: 60.04}),
        (f"{globex.schema}.map", {key: -60.01}),
    ]


async def test_what_was_committed_is_a_duplicate_and_moves_nothing(
    acme: Persona, told: list[Any]
) -> None:
    session, commit = await in_thread(signed_in, acme), GroupCommit()
    newest = fix(5, lat=60.05)
    assert statuses(await commit.record(upload(acme, session, newest))) == [["stored"]]
    again = upload(acme, session, newest, fix(1, lat=60.01))
    assert statuses(await commit.record(again)) == [["duplicate", "stored"]]
    assert (await commit.record(upload(acme, session))).outcomes == []
    await asyncio.sleep(0)
    assert len(told) == 1

    def position() -> float:
        with company_scope(acme.schema):
            return Position.objects.get().lat

    assert await in_thread(position) == 60.05


@pytest.fixture
def broken(committed: None, globex: Persona, database_url: str) -> Iterator[None]:
    """One company's schema lacks a table."""
    with psycopg.connect(database_url, autocommit=True) as database:
        rename = f"ALTER TABLE {globex.schema}.%s RENAME TO %s"
        database.execute(rename % ("tracking_fix", "tracking_mislaid"))  # type: ignore[call-overload]
        yield
        database.execute(rename % ("tracking_mislaid", "tracking_fix"))  # type: ignore[call-overload]


@pytest.mark.usefixtures("broken")
async def test_company_that_is_broken_costs_the_others_nothing(
    acme: Persona, globex: Persona, monkeypatch: pytest.MonkeyPatch, told: list[Any]
) -> None:
    ours, theirs = await in_thread(signed_in, acme), await in_thread(signed_in, globex)
    commits, commit = Commits(monkeypatch), GroupCommit()
    sending = await sent(
        commit,
        commits,
        upload(acme, ours, fix(0, lat=60.01)),
        upload(globex, theirs, fix(0, lat=-60.01)),
        upload(acme, ours, fix(1, lat=60.02)),
    )
    commits.go.set()
    first, second, third = await asyncio.gather(*sending, return_exceptions=True)
    assert statuses(first, third) == [["stored"], ["stored"]]
    assert isinstance(second, CompanyFailed)
    assert await in_thread(latitudes, acme) == [60.01, 60.02]
    assert statuses(await commit.record(upload(acme, ours, fix(2, lat=60.03)))) == [["stored"]]


@pytest.fixture
def of_another_release(globex: Persona, database_url: str) -> Iterator[None]:
    """One company has a column that this process does not know."""
    table = f"{globex.schema}.tracking_policy"
    with psycopg.connect(database_url, autocommit=True) as database:
        add, drop = (f"ALTER TABLE {table} {what}" for what in ("ADD later int", "DROP later"))
        database.execute(add)  # type: ignore[call-overload]
        yield
        database.execute(drop)  # type: ignore[call-overload]
        database.execute(f"DELETE FROM {table}")  # type: ignore[call-overload]


@pytest.mark.usefixtures("of_another_release")
async def test_company_that_was_migrated_already_goes_on(globex: Persona, told: list[Any]) -> None:
    def choose() -> None:
        with company_scope(globex.schema):
            Policy.objects.create(id=1, max_accuracy=50)

    await in_thread(choose)
    session, commit = await in_thread(signed_in, globex), GroupCommit()
    poor = msgspec.structs.replace(fix(0), accuracy=60.0)
    recorded = await commit.record(upload(globex, session, poor))
    assert recorded.outcomes == [("stored", "accuracy")]


@pytest.fixture
def unreadable(globex: Persona, database_url: str) -> Iterator[None]:
    """A job of one company is at no place."""
    with psycopg.connect(database_url, autocommit=True) as database:
        move = f"UPDATE {globex.schema}.dispatch_job SET lat = %s"
        database.execute(move, ["NaN"])  # type: ignore[arg-type]
        yield
        database.execute(move, [60.53])  # type: ignore[arg-type]


@pytest.mark.usefixtures("unreadable")
async def test_company_whose_rows_cannot_be_read_costs_the_others_nothing(
    acme: Persona, globex: Persona, monkeypatch: pytest.MonkeyPatch, told: list[Any]
) -> None:
    ours, theirs = await in_thread(signed_in, acme), await in_thread(signed_in, globex)
    commits, commit = Commits(monkeypatch), GroupCommit()
    sending = await sent(
        commit,
        commits,
        upload(acme, ours, fix(0, lat=60.01)),
        upload(globex, theirs, fix(0, lat=-60.01)),
        upload(acme, ours, fix(1, lat=60.02)),
    )
    commits.go.set()
    first, second, third = await asyncio.gather(*sending, return_exceptions=True)
    assert statuses(first, third) == [["stored"], ["stored"]]
    assert isinstance(second, CompanyFailed)


async def test_company_that_is_locked_is_waited_for_once(
    acme: Persona,
    globex: Persona,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    told: list[Any],
) -> None:
    monkeypatch.setattr(committing, "_locked", {})
    ours, theirs = await in_thread(signed_in, acme), await in_thread(signed_in, globex)
    commits, commit = Commits(monkeypatch), GroupCommit()
    with psycopg.connect(database_url) as migration:
        lock = f"LOCK TABLE {globex.schema}.tracking_fix IN SHARE MODE"
        migration.execute(lock)  # type: ignore[call-overload]
        sending = await sent(
            commit,
            commits,
            upload(acme, ours, fix(0, lat=60.01)),
            upload(globex, theirs, fix(0, lat=-60.01)),
            upload(acme, ours, fix(1, lat=60.02)),
        )
        commits.go.set()
        async with asyncio.timeout(10):
            first, second, third = await asyncio.gather(*sending, return_exceptions=True)
        assert statuses(first, third) == [["stored"], ["stored"]]
        assert isinstance(second, CompanyFailed)
        settings.INGEST_LOCK_SECONDS = 100  # it is not waited for again
        async with asyncio.timeout(10):
            with pytest.raises(CompanyFailed):
                await commit.record(upload(globex, theirs, fix(1)))
    settings.INGEST_LOCK_SECONDS = 2
    committing._locked.clear()
    assert statuses(await commit.record(upload(globex, theirs, fix(2)))) == [["stored"]]
    assert await in_thread(latitudes, acme) == [60.01, 60.02]


async def test_phone_that_was_signed_out_stores_nothing_and_holds_up_nobody(
    acme: Persona, monkeypatch: pytest.MonkeyPatch, told: list[Any]
) -> None:
    good, out = await in_thread(signed_in, acme), await in_thread(signed_in, acme)

    def sign_out() -> None:
        with company_scope(acme.schema):
            PhoneSession.objects.filter(pk=out).update(revoked_at=timezone.now())

    await in_thread(sign_out)
    commits, commit = Commits(monkeypatch), GroupCommit()
    other = Upload(acme.schema, acme.technician_id + 1, good, [fix(2, lat=60.03)])
    sending = await sent(
        commit,
        commits,
        upload(acme, good, fix(0, lat=60.01)),
        upload(acme, out, fix(1, lat=60.02)),
        other,  # not this phone's technician
        upload(acme, good, fix(3, lat=60.04)),
    )
    commits.go.set()
    results = await asyncio.gather(*sending, return_exceptions=True)
    assert statuses(results[0], results[3]) == [["stored"], ["stored"]]
    assert [type(results[1]), type(results[2])] == [NotSignedIn, NotSignedIn]
    assert await in_thread(latitudes, acme) == [60.01, 60.04]


@pytest.mark.parametrize(("model", "field"), [(User, "is_active"), (Technician, "is_active")])
async def test_technician_who_left_stores_nothing(acme: Persona, model: Any, field: str) -> None:
    session = await in_thread(signed_in, acme)

    def change(value: bool) -> None:
        with company_scope(acme.schema):
            technician = Technician.objects.get(pk=acme.technician_id)
            pk = technician.pk if model is Technician else technician.user_id
            model.objects.filter(pk=pk).update(**{field: value})

    await in_thread(change, False)
    try:
        with pytest.raises(NotSignedIn):
            await GroupCommit().record(upload(acme, session, fix(0)))
    finally:
        await in_thread(change, True)
    assert await in_thread(latitudes, acme) == []


async def test_more_than_may_wait_is_refused_and_what_waits_is_stored(
    acme: Persona, monkeypatch: pytest.MonkeyPatch, settings: Settings, told: list[Any]
) -> None:
    settings.INGEST_MAX_WAITING_FIXES, settings.INGEST_MAX_COMMIT_FIXES = 5, 2
    session = await in_thread(signed_in, acme)
    commits, commit = Commits(monkeypatch), GroupCommit()
    uploads = [upload(acme, session, fix(minute, lat=60 + minute / 100)) for minute in range(5)]
    sending = await sent(commit, commits, *uploads)
    with pytest.raises(Busy):
        await commit.record(upload(acme, session, fix(9)))
    commits.go.set()
    assert statuses(*await asyncio.gather(*sending)) == [["stored"]] * 5
    assert commits.sizes == [1, 2, 2]
    assert await in_thread(latitudes, acme) == [60.0, 60.01, 60.02, 60.03, 60.04]
    assert statuses(await commit.record(upload(acme, session, fix(9, lat=60.09)))) == [["stored"]]


async def test_database_that_is_away_is_told_to_each_and_the_next_works(
    acme: Persona, monkeypatch: pytest.MonkeyPatch, told: list[Any]
) -> None:
    session, commit = await in_thread(signed_in, acme), GroupCommit()

    def away(uploads: list[Upload]) -> Any:
        raise OperationalError("the server closed the connection")

    with monkeypatch.context() as patch:
        patch.setattr(group_commit, "commit_uploads", away)
        results = await asyncio.gather(
            *(commit.record(upload(acme, session, fix(minute))) for minute in range(3)),
            return_exceptions=True,
        )
    assert [type(result) for result in results] == [OperationalError] * 3
    assert statuses(await commit.record(upload(acme, session, fix(3, lat=60.03)))) == [["stored"]]
    assert await in_thread(latitudes, acme) == [60.03]


async def test_what_became_of_uploads_is_counted(
    acme: Persona, monkeypatch: pytest.MonkeyPatch, told: list[Any]
) -> None:
    def counted() -> dict[str, float]:
        wanted = ("tracking_fixes_total", "tracking_uploads_refused_total", "tracking_waiting")
        return {
            " ".join([sample.name, *sample.labels.values()]): sample.value
            for metric in REGISTRY.collect()
            for sample in metric.samples
            if sample.name.startswith(wanted)
        }

    session, commits, commit = await in_thread(signed_in, acme), Commits(monkeypatch), GroupCommit()
    before, one = counted(), fix(0)
    sending = await sent(
        commit,
        commits,
        upload(acme, session, one, fix(1)),
        upload(acme, session, one),
        upload(acme, uuid.uuid4(), fix(2)),
    )
    assert counted()["tracking_waiting_fixes"] == before["tracking_waiting_fixes"] + 4
    commits.go.set()
    await asyncio.gather(*sending, return_exceptions=True)
    changed = {name: after - before[name] for name, after in counted().items()}
    assert {name: change for name, change in changed.items() if change} == {
        "tracking_fixes_total stored": 2,
        "tracking_fixes_total duplicate": 1,
        "tracking_uploads_refused_total signed_out": 1,
    }


async def test_track_that_somebody_holds_holds_up_nobody_and_is_followed_later(
    acme: Persona, database_url: str, told: list[Any]
) -> None:
    session, commit = await in_thread(signed_in, acme), GroupCommit()
    await commit.record(upload(acme, session, fix(0, lat=60.0)))
    second = await in_thread(signed_in, acme, acme.second_technician_id)
    other = Upload(acme.schema, acme.second_technician_id, second, [fix(1, lat=59.0)])
    with psycopg.connect(database_url) as holder:
        held = f"SELECT FROM {acme.schema}.tracking_track WHERE technician_id = 1 FOR UPDATE"
        holder.execute(held)  # type: ignore[call-overload]
        async with asyncio.timeout(5):
            results = await asyncio.gather(
                commit.record(upload(acme, session, fix(1, lat=60.01))), commit.record(other)
            )
        assert statuses(*results) == [["stored"], ["stored"]]
        assert await in_thread(markers, acme) == {1: 60.0, 2: 59.0}
    async with asyncio.timeout(10):
        while await in_thread(markers, acme) != {1: 60.01, 2: 59.0}:
            await asyncio.sleep(0.02)


def markers(persona: Persona) -> dict[int, float]:
    with company_scope(persona.schema):
        return dict(Position.objects.values_list("technician_id", "lat"))
