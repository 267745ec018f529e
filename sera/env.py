"""Every value that the environment may set, typed and read once.

A missing or malformed variable stops the process at boot with its name. `.env` at the
repository's root is read too; a real environment variable wins over it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

from pydantic import AnyUrl, Field, UrlConstraints, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent

PostgresUrl = Annotated[AnyUrl, UrlConstraints(allowed_schemes=["postgres", "postgresql"])]
RedisUrl = Annotated[AnyUrl, UrlConstraints(allowed_schemes=["redis", "rediss"])]


class ConfigurationError(Exception):
    """The environment cannot be used; the text names each variable and what would be right."""


class Env(BaseSettings):
    """The process's configuration. Field names are the variables' names."""

    model_config = SettingsConfigDict(env_file=ROOT / ".env", extra="ignore", case_sensitive=True)

    # Signs sessions and tokens. HS256 wants a key at least as long as its hash (RFC 7518 §3.2).
    SECRET_KEY: Annotated[str, Field(min_length=32)]
    DEBUG: bool = False
    DATABASE_URL: PostgresUrl
    REDIS_URL: RedisUrl
    DATA_DIR: Path = ROOT / ".data"

    # Companies live at <schema>.<BASE_DOMAIN>, staff at BASE_DOMAIN itself.
    BASE_DOMAIN: str = "localhost"
    # Other host names of the staff's site, beside BASE_DOMAIN and 127.0.0.1.
    EXTRA_PUBLIC_HOSTS: Annotated[list[str], NoDecode] = []
    # Browsers reach production over TLS only; development has none.
    SECURE_COOKIES: bool = False

    # Any MapLibre style URL; the default is the demo's own map, which needs no internet.
    MAP_STYLE_URL: str = ""
    MAP_STYLE_DARK_URL: str = ""

    # Connections that one process may hold. processes × this must stay under the server's
    # max_connections (200 for the embedded one).
    DATABASE_POOL_SIZE: Annotated[int, Field(ge=1, le=200)] = 12
    # Threads that do database work for sockets; each may hold one pooled connection, so the
    # rest of the pool is left to HTTP requests.
    SOCKET_DATABASE_THREADS: Annotated[int, Field(ge=1, le=100)] = 6

    # When a server process ends, its sockets are sent away spread over this long, so that they
    # do not come back all at once.
    DRAIN_SECONDS: Annotated[float, Field(ge=0, le=100)] = 5
    # Before that it serves on while /readyz says 503: as long as the balancer takes to notice.
    DRAIN_NOTICE_SECONDS: Annotated[float, Field(ge=0, le=100)] = 0

    # Who reads /metrics shows it: `Authorization: Bearer <token>`. Without one, /metrics is there
    # for this machine only. Set it where a proxy that names nobody runs beside the server.
    METRICS_TOKEN: str = ""

    # Who knows the roads: OSRM or Valhalla over HTTP at ROUTING_URL, such as http://10.0.0.9:5000.
    # Without one, drives are estimated from the distance by air.
    ROUTING_ENGINE: Annotated[str, Field(pattern="^(|osrm|valhalla)$")] = ""
    ROUTING_URL: Annotated[str, Field(validate_default=True)] = ""

    LOG_LEVEL: str = "INFO"
    LOG_FORMAT: Annotated[str, Field(pattern="^(console|json)$")] = "console"

    @field_validator("EXTRA_PUBLIC_HOSTS", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("REDIS_URL")
    @classmethod
    def _numbered_database(cls, value: AnyUrl) -> AnyUrl:
        if not (value.path or "").strip("/").isdigit() and (value.path or "/") != "/":
            raise ValueError("must end with the number of a database, such as /0")
        return value

    @field_validator("METRICS_TOKEN")
    @classmethod
    def _hard_to_guess(cls, value: str) -> str:
        if value and (len(value) < 16 or not re.fullmatch("[!-~]+", value)):
            raise ValueError("must be 16 or more visible ASCII characters, or empty")
        return value

    @field_validator("ROUTING_URL")
    @classmethod
    def _engine_has_address(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("ROUTING_ENGINE") and not re.fullmatch(
            r"https?://[^/?#\s][^?#\s]*", value
        ):
            raise ValueError("must be the http:// or https:// address of the ROUTING_ENGINE")
        return value

    @field_validator("LOG_LEVEL")
    @classmethod
    def _known_level(cls, value: str) -> str:
        levels = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
        if value not in levels:
            raise ValueError(f"must be one of {', '.join(levels)}")
        return value


def read_env() -> Env:
    """Read the environment.

    Raises:
        ConfigurationError: one line per variable that is missing or wrong. Values are not
            repeated, since they may be secrets.
    """
    try:
        return Env()  # type: ignore[call-arg]  # the fields come from the environment
    except ValidationError as error:
        problems = [
            f"  {'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
            for item in error.errors(include_input=False, include_url=False)
        ]
        raise ConfigurationError(
            "These environment variables need attention:\n"
            + "\n".join(problems)
            + "\n./dev sets them all for the embedded services; see README.md for your own."
        ) from None


def next_redis_database(url: AnyUrl) -> str:
    """The numbered database behind the one of `url`, on the same server.

    The cache has a database of its own, so that emptying it cannot empty Celery's queues.
    """
    number = (url.path or "").strip("/") or "0"
    parts = urlsplit(str(url))
    return urlunsplit(parts._replace(path=f"/{int(number) + 1}"))


def _read_or_exit() -> Env:
    try:
        return read_env()
    except ConfigurationError as error:
        # Whichever program imports this, its user sees the lines above and no traceback.
        raise SystemExit(str(error)) from None


env = _read_or_exit()
