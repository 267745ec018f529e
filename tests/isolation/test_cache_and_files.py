"""Cache entries and files of one company are out of the other's reach."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.core.cache import cache, caches
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from tenants.context import NoCompanyError, bind_schema, company_scope, platform_scope
from tests.isolation.evidence import nothing_happens

pytestmark = pytest.mark.django_db


# --- Cache


def test_one_key_holds_each_companys_own_value() -> None:
    for schema in ("acme", "globex"):
        with company_scope(schema):
            assert cache.get("key") is None
            cache.set("key", f"of {schema}")
    for schema in ("acme", "globex"):
        with company_scope(schema):
            assert cache.get("key") == f"of {schema}"
            assert cache.get_many(["key"]) == {"key": f"of {schema}"}
    with company_scope("acme"):
        cache.delete("key")
        assert cache.incr("count", 1) if cache.add("count", 0) else False
    with company_scope("globex"):
        assert cache.get("key") == "of globex"
        assert cache.get("count") is None


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("get", ("key",)),
        ("set", ("key", 1)),
        ("add", ("key", 1)),
        ("incr", ("key",)),
        ("touch", ("key",)),
        ("delete", ("key",)),
        ("has_key", ("key",)),
        ("get_or_set", ("key", 1)),
        ("get_many", (["key"],)),
        ("set_many", ({"key": 1},)),
        ("delete_many", (["key"],)),
    ],
)
def test_the_cache_refuses_to_work_without_a_company(name: str, args: tuple[Any, ...]) -> None:
    before = raw_keys()
    with pytest.raises(NoCompanyError):
        getattr(cache, name)(*args)
    with platform_scope(), pytest.raises(NoCompanyError):
        getattr(cache, name)(*args)
    assert raw_keys() == before


def test_the_shared_cache_is_nobodys() -> None:
    caches["shared"].set("key", "shared")
    with company_scope("acme"):
        assert cache.get("key") is None
        cache.set("key", "of acme")
        assert caches["shared"].get("key") == "shared"
    assert caches["shared"].get("key") == "shared"


def test_a_key_cannot_be_written_so_that_it_is_another_companys() -> None:
    with company_scope("globex"):
        cache.set("key", "of globex")
    with company_scope("acme"):
        for key in ("globex::1:key", "../globex::1:key", "company:globex::1:key"):
            assert cache.get(key) is None
            cache.set(key, "of acme")
    with company_scope("globex"):
        assert cache.get("key") == "of globex"


def test_one_company_empties_no_other_companys_cache() -> None:
    """Redis's own `clear` would empty the database for everybody."""
    with company_scope("globex"):
        cache.set("key", "of globex")
    caches["shared"].set("key", "shared")
    with company_scope("acme"), pytest.raises(NotImplementedError):
        cache.clear()
    with company_scope("globex"):
        assert cache.get("key") == "of globex"
    assert caches["shared"].get("key") == "shared"


def test_the_keys_in_valkey_carry_the_schema() -> None:
    with company_scope("acme"):
        cache.set("key", 1)
    caches["shared"].set("key", 1)
    assert raw_keys() >= {"company:acme::1:key", "shared::1:key"}


def test_work_on_the_event_loop_has_its_own_companys_keys() -> None:
    async def read(schema: str) -> Any:
        with bind_schema(schema):
            await cache.aset("key", f"of {schema}")
            await asyncio.sleep(0)  # lets the other one set its own in between
            return await cache.aget("key")

    async def both() -> list[Any]:
        return await asyncio.gather(read("acme"), read("globex"))

    assert asyncio.run(both()) == ["of acme", "of globex"]


def raw_keys() -> set[str]:
    """Every key of the cache's database, as it stands there."""
    with redis.Redis.from_url(settings.CACHES["default"]["LOCATION"]) as client:
        return {key.decode() for key in client.scan_iter(count=1000)}


# --- Files


@pytest.fixture
def files(tmp_path: Path, settings: Any) -> Path:
    settings.MEDIA_ROOT = tmp_path / "files"
    return tmp_path / "files"


def save(schema: str, name: str, text: str) -> str:
    with company_scope(schema):
        return default_storage.save(name, ContentFile(text.encode()))


def read(schema: str, name: str) -> str:
    with company_scope(schema), default_storage.open(name) as file:
        return file.read().decode()


def test_one_name_holds_each_companys_own_file(files: Path) -> None:
    assert save("acme", "reports/may.csv", "of acme") == "reports/may.csv"
    assert save("globex", "reports/may.csv", "of globex") == "reports/may.csv"
    assert read("acme", "reports/may.csv") == "of acme"
    assert read("globex", "reports/may.csv") == "of globex"
    assert sorted(str(path.relative_to(files)) for path in files.rglob("*.csv")) == [
        "acme/reports/may.csv",
        "globex/reports/may.csv",
    ]
    with company_scope("acme"):
        default_storage.delete("reports/may.csv")
        assert not default_storage.exists("reports/may.csv")
    assert read("globex", "reports/may.csv") == "of globex"


@pytest.mark.parametrize(
    "name",
    [
        "../globex/secret.csv",
        "reports/../../globex/secret.csv",
        "..",
        "../acme2/secret.csv",
        "/etc/passwd",
        "{files}/globex/secret.csv",
        "./../globex/secret.csv",
    ],
)
def test_no_name_leads_out_of_the_companys_folder(name: str, files: Path) -> None:
    save("globex", "secret.csv", "of globex")
    save("acme2", "secret.csv", "of the company whose name begins alike")
    name = name.format(files=files)
    before = {path: path.read_text() for path in files.rglob("*.csv")}
    with company_scope("acme"), nothing_happens():
        for use in (
            lambda: default_storage.open(name),
            lambda: default_storage.open(name, "wb"),
            lambda: default_storage.save(name, ContentFile(b"of acme")),
            lambda: default_storage.delete(name),
            lambda: default_storage.exists(name),
            lambda: default_storage.size(name),
            lambda: default_storage.listdir(name),
            lambda: default_storage.path(name),
        ):
            with pytest.raises(SuspiciousFileOperation):
                use()
    assert {path: path.read_text() for path in files.rglob("*.csv")} == before


def test_a_file_without_a_company_is_refused(files: Path) -> None:
    for scope in (platform_scope(), bind_schema(None)):
        with scope:
            with pytest.raises(NoCompanyError):
                default_storage.save("a.csv", ContentFile(b"x"))
            with pytest.raises(NoCompanyError):
                default_storage.open("a.csv")
            with pytest.raises(NoCompanyError):
                default_storage.listdir("")
            with pytest.raises(NoCompanyError):
                default_storage.exists("a.csv")
    assert not files.exists()


def test_a_file_has_no_address_of_its_own(files: Path) -> None:
    save("acme", "a.csv", "of acme")
    with company_scope("acme"), pytest.raises(NotImplementedError):
        default_storage.url("a.csv")
