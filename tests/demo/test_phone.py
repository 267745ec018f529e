"""A phone keeps what it recorded until the server has answered for it, and never gives up early."""

import random
from collections.abc import Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from demo import phone as phone_module
from demo.backoff import BRISK, PATIENT, Backoff
from demo.fix import Fix, iso
from demo.phone import Phone, PhoneError, UnavailableError
from demo.site import Site, company_url
from tests.demo.fake_sera import FakeClock, FakeSera

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@pytest.fixture
def sera() -> Iterator[FakeSera]:
    with FakeSera() as fake:
        yield fake


def fix(number: int, lat: float = 60.5) -> Fix:
    moment = START + timedelta(seconds=number)
    return Fix(id=UUID(int=number), recorded_at=moment, lat=lat, lon=26.9, speed=3.5)


@asynccontextmanager
async def a_phone(
    sera: FakeSera, *, clock: FakeClock | None = None, backoff: Backoff = BRISK, **changes: Any
) -> Any:
    options: dict[str, Any] = {
        "site": Site.parse(sera.url),
        "email": "ada.fox@acme.test",
        "password": "demo-sera",
        "clock": clock or FakeClock(),
        "rng": random.Random(1),
        "backoff": backoff,
        "log": lambda text: None,
    }
    async with Phone(**(options | changes)) as phone:
        yield phone


def record(phone: Phone, *numbers: int) -> None:
    for number in numbers:
        phone.record(fix(number))


async def test_a_batch_is_an_array_in_the_order_of_recording(sera: FakeSera) -> None:
    async with a_phone(sera) as phone:
        await phone.login()
        record(phone, 1, 2, 3)
        delivery = await phone.upload()
    assert (delivery.stored, delivery.duplicate, delivery.rejected) == (3, 0, [])
    assert phone.waiting == 0
    (post,) = sera.posts()
    assert post.host == f"acme.localhost:{sera.port}"
    assert post.token == "access-1"
    assert post.body[0] == {
        "id": "00000000-0000-0000-0000-000000000001",
        "recorded_at": "2026-11-23T08:00:01.000Z",
        "lat": 60.5,
        "lon": 26.9,
        "speed": 3.5,
    }
    assert [UUID(item["id"]).int for item in post.body] == [1, 2, 3]


async def test_one_fix_is_an_object_and_sending_it_again_stores_nothing(sera: FakeSera) -> None:
    async with a_phone(sera) as phone:
        record(phone, 1)
        first = await phone.upload()
        record(phone, 1)
        second = await phone.upload()
    assert (first.stored, first.duplicate) == (1, 0)
    assert (second.stored, second.duplicate) == (0, 1)
    assert (phone.delivery.stored, phone.delivery.duplicate) == (1, 1)
    assert isinstance(sera.posts()[0].body, dict)
    assert len(sera.stored) == 1


async def test_an_expired_token_is_renewed_and_the_pair_rotates(sera: FakeSera) -> None:
    async with a_phone(sera) as phone:
        for number in (1, 2, 3):
            record(phone, number)
            await phone.upload()
            sera.expire()
    refreshes = [r.body for r in sera.requests if r.path.endswith("/refresh/")]
    assert refreshes == [{"refresh": "refresh-1"}, {"refresh": "refresh-2"}]
    assert len([r for r in sera.requests if r.path == "/api/v1/auth/token/"]) == 1
    assert [r.token for r in sera.posts()] == [
        *("access-1", "access-1", "access-2", "access-2", "access-3")
    ]
    assert len(sera.stored) == 3


async def test_a_refused_refresh_token_means_a_new_login(sera: FakeSera) -> None:
    async with a_phone(sera) as phone:
        record(phone, 1)
        await phone.upload()
        sera.access = sera.refresh = "revoked"
        record(phone, 2)
        await phone.upload()
    assert len([r for r in sera.requests if r.path == "/api/v1/auth/token/"]) == 2
    assert len(sera.stored) == 2


async def test_a_busy_server_is_asked_again_ever_more_slowly_with_the_same_ids(
    sera: FakeSera,
) -> None:
    clock = FakeClock()
    sera.faults = [(503, {}), (500, {}), (429, {}), (503, {"Retry-After": "4"})]
    said: list[str] = []
    async with a_phone(sera, clock=clock, log=said.append) as phone:
        record(phone, 1, 2)
        await phone.upload()
    assert [len(post.body) for post in sera.posts()] == [2] * 5
    assert len({str(post.body) for post in sera.posts()}) == 1
    assert len(sera.stored) == 2
    for slept, doubled in zip(clock.sleeps[:3], (0.3, 0.6, 1.2), strict=True):
        assert doubled / 2 <= slept <= doubled
    assert clock.sleeps[3] == 4
    assert said == [f"{sera.url} answers 503; trying again", f"{sera.url} answers again"]


async def test_tries_are_bounded_and_nothing_is_lost_then(sera: FakeSera) -> None:
    clock = FakeClock()
    sera.faults = [(503, {})] * 8
    async with a_phone(sera, clock=clock) as phone:
        record(phone, 1, 2)
        with pytest.raises(UnavailableError, match="answers 503"):
            await phone.upload()
        assert phone.waiting == 2
        assert len(sera.posts()) == 8
        assert sum(clock.sleeps) < 25
        await phone.upload()
    assert len(sera.stored) == 2


async def test_a_server_that_is_down_is_named(sera: FakeSera) -> None:
    with FakeSera() as gone:
        url = gone.url
    async with a_phone(sera, site=Site.parse(url)) as phone:
        with pytest.raises(UnavailableError, match=rf"{url} does not answer \("):
            await phone.login()


async def test_a_wrong_password_is_said_once_and_not_tried_again(sera: FakeSera) -> None:
    async with a_phone(sera, password="guess") as phone:
        with pytest.raises(PhoneError, match=r"refuses the login of ada.fox@acme.test: 401 wrong"):
            await phone.login()
    assert len(sera.requests) == 1


async def test_a_bad_fix_is_reported_and_does_not_hold_up_the_good_ones(sera: FakeSera) -> None:
    async with a_phone(sera) as phone:
        phone.record(fix(1))
        phone.record(fix(2, lat=91))
        phone.record(fix(3))
        delivery = await phone.upload()
        assert delivery.stored == 2
        (rejection,) = delivery.rejected
        assert rejection.fix.id == UUID(int=2)
        assert rejection.reasons == "lat=91: must be from -90 to 90"
        phone.record(fix(4, lat=-91))
        alone = await phone.upload()
        assert [r.reasons for r in alone.rejected] == ["lat=-91: must be from -90 to 90"]
        assert phone.waiting == 0
    assert len(sera.stored) == 2


async def test_batches_shrink_until_the_server_takes_them(sera: FakeSera) -> None:
    sera.most_items = 3
    async with a_phone(sera) as phone:
        record(phone, *range(1, 11))
        await phone.upload()
    assert [len(p.body) if isinstance(p.body, list) else 1 for p in sera.posts()] == [
        *(10, 5, 2, 2, 2, 2, 2)
    ]
    assert len(sera.stored) == 10


async def test_an_answer_that_leaves_a_fix_out_is_an_error_and_the_fixes_stay(
    sera: FakeSera,
) -> None:
    sera.forgetful = True
    async with a_phone(sera) as phone:
        record(phone, 1, 2, 3)
        with pytest.raises(PhoneError, match="the answer lists 2 of 3 fixes"):
            await phone.upload()
        assert phone.waiting == 3


async def test_a_full_memory_gives_up_the_oldest(
    sera: FakeSera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phone_module, "QUEUE_LIMIT", 3)
    async with a_phone(sera) as phone:
        record(phone, 1, 2, 3, 4, 5)
        assert (phone.waiting, phone.dropped) == (3, 2)
        await phone.upload()
    assert [UUID(number).int for number in sera.stored] == [3, 4, 5]


def test_a_patient_phone_never_waits_longer_than_its_limit() -> None:
    rng = random.Random(1)
    delays = [PATIENT.delay(failures, rng) for failures in range(1, 200)]
    assert max(delays) <= 30
    assert min(delays[10:]) >= 15
    assert PATIENT.delay(1, rng, retry_after=3600) == 30
    assert not PATIENT.spent(10_000)
    assert (BRISK.spent(7), BRISK.spent(8)) == (False, True)


def test_a_localhost_name_is_reached_without_a_resolver() -> None:
    site = Site.parse("http://acme.localhost:8123/")
    assert (site.url, site.address, site.host) == (
        "http://acme.localhost:8123",
        "http://127.0.0.1:8123",
        "acme.localhost:8123",
    )
    remote = Site.parse("https://acme.sera.example")
    assert (remote.address, remote.host) == ("https://acme.sera.example", "acme.sera.example")
    assert (site.local, remote.local) == (True, False)


@pytest.mark.parametrize(
    "url", ["acme.localhost:8000", "http://", "ftp://x", "http://a:b", "http://a/x"]
)
def test_an_unusable_url_is_named(url: str) -> None:
    with pytest.raises(ValueError, match=repr(url)):
        Site.parse(url)


def test_a_template_needs_a_place_for_the_company() -> None:
    assert company_url("https://{schema}.sera.example", "acme") == "https://acme.sera.example"
    with pytest.raises(ValueError, match=r"lacks \{schema\}"):
        company_url("https://sera.example", "acme")


def test_times_keep_their_microseconds() -> None:
    moment = datetime(2026, 11, 23, 8, 0, 0, 250_000, UTC)
    assert iso(moment) == "2026-11-23T08:00:00.250Z"
    assert iso(moment.replace(microsecond=250_001)) == "2026-11-23T08:00:00.250001Z"
