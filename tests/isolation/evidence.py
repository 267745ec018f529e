"""Proof that a refused request left no trace: no row, no broadcast, no queued task, no file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from unittest.mock import patch

import redis
from django.conf import settings
from django.db import connection

from tenants.context import platform_scope

# Celery's default queue is a list of this name in the broker.
CELERY_QUEUE = "celery"
SCHEMAS = ("public", "acme", "globex")


def broker() -> redis.Redis:
    """The broker's own server, past Celery."""
    return redis.Redis.from_url(settings.CELERY_BROKER_URL)


@cache
def _digests_query() -> str:
    """One query that digests every row of every table of the platform and both companies.

    Digests and not counts, so that a changed row is seen as well.
    """
    with platform_scope(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY(%s) ORDER BY 1, 2",
            [list(SCHEMAS)],
        )
        tables = cursor.fetchall()
    assert {schema for schema, _ in tables} == set(SCHEMAS)
    return " UNION ALL ".join(
        f"SELECT '{schema}.{table}', count(*), "
        "md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) "
        f'FROM "{schema}"."{table}" t'
        for schema, table in tables
    )


def stored() -> dict[str, tuple[int, str]]:
    """Table → number and digest of its rows, over all schemas."""
    with connection.cursor() as cursor:
        cursor.execute(_digests_query())
        return {table: (count, digest) for table, count, digest in cursor.fetchall()}


def files() -> set[str]:
    """Every file of every company."""
    root = Path(settings.MEDIA_ROOT)
    return {os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names}


@contextmanager
def nothing_happens() -> Iterator[None]:
    """Fail if the block writes a row, asks for a broadcast or a task, or leaves a file."""
    with broker() as queue, patch("cable.broadcast._send_after_commit") as sent:
        before = stored(), files(), queue.llen(CELERY_QUEUE), len(connection.run_on_commit)
        yield
        after = stored(), files(), queue.llen(CELERY_QUEUE), len(connection.run_on_commit)
    assert after == before
    assert sent.mock_calls == []
