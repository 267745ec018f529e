"""Is this process alive, and can it serve? Answered before hosts, companies and sessions."""

from __future__ import annotations

from collections.abc import Callable

from django.core.cache import caches
from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from psycopg_pool import PoolTimeout
from redis.exceptions import RedisError

from cable.servers import is_draining
from tenants.context import platform_scope


class HealthMiddleware:
    """`/healthz`: the process answers. `/readyz`: its database and Valkey answer too, and it is not
    about to end.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path == "/healthz":
            return JsonResponse({"status": "alive"})
        if request.path == "/readyz" and is_draining():
            return JsonResponse({"status": "draining"}, status=503)
        if request.path == "/readyz":
            checks = {"database": _database(), "valkey": _valkey()}
            ready = all(state == "ok" for state in checks.values())
            return JsonResponse(
                {"status": "ready" if ready else "not ready", **checks},
                status=200 if ready else 503,
            )
        return self.get_response(request)


def _database() -> str:
    try:
        with platform_scope(), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, PoolTimeout):
        return "unreachable"
    return "ok"


def _valkey() -> str:
    try:
        caches["shared"].get("readyz")
    except (RedisError, OSError):
        return "unreachable"
    return "ok"
